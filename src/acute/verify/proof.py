"""Attacks on the sandbox of this machine, for `acute doctor`: what holds is shown, not supposed."""

import contextlib
import socket
from collections.abc import Iterator

from acute.verify.problem import Problem
from acute.verify.runner import Runner
from acute.verify.sandbox import Limits, Sandbox

SQUARE = "\ndef f(x): return x * x\n"
PROBLEM = Problem(tests=("assert f(2) == 4\nassert f(3) == 9",), names=("f",))
# what must hold: a program that passes only if it does not hold
ATTACKS = {
    "a verdict cannot be forged": "import os\nprint('OK')\nos._exit(0)",
    "a value cannot pretend to be equal": (
        "class Yes(int):\n    def __eq__(self, other): return True\ndef f(x): return Yes()"
    ),
    "files of this machine are out of reach": (
        "import os\nassert any(map(os.path.exists, ('/etc/passwd', '/proc/self', '/home', '/var')))" + SQUARE
    ),
    "nothing can be written": (
        "def opens(path):\n    try: return open(path, 'w')\n    except OSError: return None\n"
        "assert any(map(opens, ('/x', '/py/lib/x', '/usr/lib/x', '/dev/x')))" + SQUARE
    ),
    "the network is out of reach": (
        "import socket\nsocket.create_connection(('127.0.0.1', {port}), 1)" + SQUARE
    ),
    "memory is limited": "data = bytearray(1 << 30)" + SQUARE,
    "processes are limited": (
        "import os, time\nfor n in range(200):\n    if os.fork() == 0:\n        time.sleep(9)" + SQUARE
    ),
    "threads are limited": (
        "import threading, time\nthreading.stack_size(65536)\nfor n in range(200):\n"
        "    threading.Thread(target=time.sleep, args=(9,), daemon=True).start()" + SQUARE
    ),
    "time is limited": "while True: pass",
}


@contextlib.contextmanager
def _server() -> Iterator[int]:
    """The port of a server of this machine that takes connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def prove() -> dict[str, bool]:
    """What a sandbox must hold, and whether it does here. Raises SandboxError where none can be had."""
    limits = Limits(seconds=1, memory=512 << 20)
    with Runner(Sandbox(limits=limits)) as runner, _server() as port:
        found = {"a right program passes": runner.run(SQUARE, PROBLEM).passed}
        for claim, program in ATTACKS.items():
            result = runner.run(program.replace("{port}", str(port)), PROBLEM)
            found[claim] = not result.passed and result.outcome != "error"
    return found
