"""Programs that try to pass without solving the problem, or to do harm. Each with the reason why it cannot.

The problem: `f(x)` is the square of x (`PROBLEM`). None of these programs computes it.
"""

from typing import NamedTuple

from acute.verify.problem import Problem

PROBLEM = Problem(tests=("assert f(2) == 4\nassert f(3) == 9", "assert f(12345) == 152399025"), names=("f",))
# loops over the program's answers: an answer that ends the loop early must not pass
LOOPING = Problem(
    tests=("for got, right in zip(map(f, [2, 3]), [4, 9]):\n    assert got == right\nassert len([0])",),
    names=("f",),
)
TRUTH = Problem(tests=("assert f(2)\nassert not f(0)",), names=("f",))
IN_PLACE = Problem(tests=("x = [3, 1]\nassert f(x) == sorted(x)\nassert x",), names=("f",))
ANY = "def f(x):\n    return None\n"


class Attack(NamedTuple):
    """What is run, why it fails, and the outcomes that it may have. No outcome has a reward of 1."""

    name: str
    program: str
    reason: str
    outcomes: tuple[str, ...] = ("ok",)
    problem: Problem = PROBLEM


def at_load(code, *, then=ANY):
    """A program that does `code` at once, whatever comes of it, and defines f."""
    body = "\n".join(f"    {line}" for line in code.strip().splitlines())
    return f"try:\n{body}\nexcept BaseException:\n    pass\n{then}"


EVERYTHING_EQUAL = """
class Yes({base}):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
    def __bool__(self): return True
    def __instancecheck__(self, other): return True
def f(x): return Yes({value})
"""

ENDS = [
    Attack(
        "exit at once",
        "import os; os._exit(0)",
        "an exit status is no verdict; without answers no test passes",
    ),
    Attack("sys.exit at once", "import sys; sys.exit(0)", "the judge hears that loading raised SystemExit"),
    Attack(
        "exit when called",
        "import os\ndef f(x): os._exit(0)",
        "the judge sees the pipe end: Gone, by no `except` hidden",
    ),
    Attack(
        "SystemExit when called",
        "def f(x): raise SystemExit(0)",
        "it is an exception of the program, not of the judge",
    ),
    Attack(
        "KeyboardInterrupt",
        "def f(x): raise KeyboardInterrupt",
        "only ordinary exceptions are raised in the judge",
    ),
    Attack(
        "exit hooks",
        "import atexit, os\natexit.register(os._exit, 0)\ndef f(x): raise SystemExit",
        "as above",
    ),
    Attack(
        "SIGKILL to itself",
        "import os, signal\ndef f(x): os.kill(os.getpid(), signal.SIGKILL)",
        "as above",
        ("ok", "timeout"),
    ),
    Attack(
        "StopIteration ends the loop of the tests",
        "def f(x): raise StopIteration",
        "StopIteration is not raised in the judge by its own name, and an unfinished test text is a failure",
        problem=LOOPING,
    ),
    Attack("AssertionError", "def f(x): raise AssertionError", "a test that raises has failed"),
]

SAYS = [
    Attack("prints that it passed", "print('OK'); print('1 passed')\n" + ANY, "its output is not read"),
    Attack(
        "writes verdicts to every file descriptor",
        at_load(
            """
import os
for line in (b'{"tests": 2}', b'{"test": 0, "passed": true}', b'{"test": 1, "passed": true}',
             b'{"end": "done", "why": null, "calls": 3}'):
    for file in range(64):
        try: os.write(file, line + b"\\n")
        except OSError: pass
"""
        ),
        "results go from judge to parent by a pipe that the program does not have; on its own it spoke no sense",
    ),
    Attack(
        "answers before it is asked",
        "from acute.verify.inside.codec import pack, send\n"
        "for answer in (None, 4, 9, 152399025):\n"
        "    for file in range(3, 8):\n"
        "        try: send(file, pack(('value', answer), lambda x: 0))\n"
        "        except OSError: pass\n" + ANY,
        "such answers are answers: right ones, given blindly, for tests that it does not know, would be needed",
    ),
    Attack(
        "a message of a terabyte",
        at_load("import os\nos.write(4, b'\\xff' * 64)\nos.write(3, b'\\xff' * 64)"),
        "the length of a message is bounded before it is read",
    ),
    Attack(
        "a message of no known form",
        at_load("import os\nfor i in (3, 4, 5): os.write(i, b'\\0\\0\\0\\3zzz')"),
        "what cannot be read ends the connection",
    ),
    Attack("closes every file", "import os\nos.closerange(0, 64)\n" + ANY, "the judge sees the pipe end"),
]

PRETENDS = [
    Attack(
        "an object equal to everything",
        EVERYTHING_EQUAL.format(base="object", value=""),
        "objects stay behind; a stand-in equals itself alone",
    ),
    Attack(
        "an integer equal to everything",
        EVERYTHING_EQUAL.format(base="int", value="0"),
        "a subclass crosses as the plain type: 0",
    ),
    Attack("a text equal to everything", EVERYTHING_EQUAL.format(base="str", value="'4'"), "as above: '4'"),
    Attack("a list equal to everything", EVERYTHING_EQUAL.format(base="list", value="[4]"), "as above: [4]"),
    Attack(
        "an object that is always true",
        "class Yes:\n    pass\ndef f(x): return Yes()",
        "a stand-in has no truth value",
        problem=TRUTH,
    ),
    Attack("not a number", "def f(x): return float('nan')", "comparison is the judge's own"),
    Attack("a mock", "from unittest.mock import ANY\ndef f(x): return ANY", "a stand-in equals itself alone"),
    Attack(
        "code in a pickle",
        "class P:\n    def __reduce__(self): return (eval, ('4',))\ndef f(x): return P()",
        "nothing is pickled",
    ),
    Attack(
        "edits its argument to fit",
        "def f(x):\n    x.clear()\n    return x",
        "arguments are copies",
        problem=IN_PLACE,
    ),
    Attack(
        "a list that holds itself", "def f(x):\n    a = []\n    a.append(a)\n    return a", "depth is bounded"
    ),
    Attack("an answer too large", "def f(x): return 'a' * (17 << 20)", "the size of a message is bounded"),
    Attack(
        "an integer of a million digits",
        "def f(x): return 1 << 3_000_000",
        "integers cross as bytes: no time is lost, and it is wrong",
    ),
]

PATCHES = [
    Attack(
        "own `check`, own names of the judge",
        "def check(candidate): pass\n__acute_check__ = print\n" + ANY,
        "tests stand in the judge's own names",
    ),
    Attack(
        "patches Python",
        "import builtins\nbuiltins.AssertionError = builtins.Exception = type('E', (BaseException,), {})\n"
        "builtins.bool = builtins.isinstance = lambda *a: True\nbuiltins.compile = builtins.exec = print\n"
        + ANY,
        "the tests run in another process",
    ),
    Attack(
        "patches its own runner",
        "import sys\nrunner = sys.modules['acute.verify.inside.candidate']\n"
        "runner.pack = lambda *a: b'T'\nrunner._answer = lambda *a: True\n" + ANY,
        "the runner is believed nothing but answers",
    ),
    Attack(
        "a stand-in for modules of the tests",
        "import sys, types\nfake = types.ModuleType('math')\nfake.isclose = lambda *a, **k: True\n"
        "sys.modules['math'] = fake\ndef f(x): return 0.0",
        "modules of the tests are loaded in the judge",
        problem=Problem(tests=("import math\nassert math.isclose(f(2), 4)",), names=("f",)),
    ),
    Attack(
        "frames and garbage",
        "import gc, sys\nfound = []\nframe = sys._getframe()\nwhile frame:\n"
        "    found += [v for v in frame.f_locals.values()]\n    frame = frame.f_back\n"
        "found += gc.get_objects()\n"
        "hit = [o for o in found if isinstance(o, str) and 'assert ' + 'f(' in o]\n"
        "space = [o for o in found if isinstance(o, int) and o == 152399024 + 1]\n"
        "def f(x):\n    assert hit or space\n    return {2: 4, 3: 9, 12345: 152399025}[x]",
        "the tests were never in this process",
    ),
]

READS = [
    Attack(
        "tests on the disk",
        "import os\nhit = []\nfor folder, _, names in os.walk('/'):\n    if folder.startswith(('/usr', '/py')): continue\n"
        "    for name in names:\n        try:\n            if 'assert' + ' f(' in open(os.path.join(folder, name), errors='replace').read(1 << 20): hit.append(name)\n"
        "        except OSError: pass\n"
        "def f(x):\n    assert hit\n    return x * x",
        "no file of the sandbox holds them",
    ),
    Attack(
        "other processes",
        "import os\nprocesses = os.listdir('/proc')\ndef f(x): return x * x",
        "there is no /proc",
    ),
    Attack(
        "memory of other processes",
        "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "done = [libc.ptrace(16, pid, 0, 0) for pid in range(1, 200)]\n"
        "assert any(d == 0 for d in done)\ndef f(x): return x * x",
        "ptrace is refused, and there is nobody to trace",
    ),
    Attack(
        "files of the machine",
        "import os\nfound = [p for p in ('/etc/passwd', '/etc/shadow', '/root/.ssh', '/home', '/work', '/var') if os.path.exists(p)]\n"
        "assert found\ndef f(x): return x * x",
        "the root folder holds Python's library and C libraries alone",
    ),
    Attack(
        "the environment",
        "import os\nassert set(os.environ) - {'PATH', 'HOME', 'LANG', 'PWD', 'LC_CTYPE', 'PYTHONHASHSEED', 'LD_LIBRARY_PATH', 'PYTHONPATH'}\n"
        "def f(x): return x * x",
        "the environment is made anew",
    ),
    Attack(
        "inherited files",
        "import os, stat\nkinds = []\nfor i in range(64):\n    try: kinds.append(os.fstat(i).st_mode)\n    except OSError: pass\n"
        "pipes = sum(map(stat.S_ISFIFO, kinds))\nassert (pipes, len(kinds) - pipes) != (2, 3)\ndef f(x): return x * x",
        "it has /dev/null three times and its two pipes",
    ),
]

HARM = [
    Attack("endless loop", "def f(x):\n    while True: pass", "CPU time is limited", ("timeout",)),
    Attack("sleeps", "import time\ndef f(x): time.sleep(1000)", "the parent keeps a deadline", ("timeout",)),
    Attack(
        "deaf to signals",
        "import signal\nfor s in range(1, 65):\n    try: signal.signal(s, signal.SIG_IGN)\n    except (OSError, ValueError): pass\n"
        "def f(x):\n    while True: pass",
        "SIGKILL cannot be ignored",
        ("timeout",),
    ),
    Attack(
        "raises its own limits",
        at_load("import resource\nresource.setrlimit(resource.RLIMIT_CPU, (-1, -1))\nwhile True: pass"),
        "hard limits only go down",
        ("timeout", "ok"),
    ),
    Attack("memory", "def f(x): return len(bytearray(8 << 30))", "the address space is limited", ("memory",)),
    Attack(
        "memory at load",
        "data = [bytearray(1 << 20) for _ in range(10 ** 6)]\n" + ANY,
        "the address space is limited",
        ("memory",),
    ),
    Attack(
        "processes",
        "import os\nn = 0\ntry:\n    while n < 10000:\n        if os.fork() == 0:\n            while True: pass\n        n += 1\nexcept OSError: pass\n"
        "assert n\ndef f(x): return x * x",
        "fork is refused",
    ),
    Attack(
        "processes by other calls",
        "import ctypes, os, subprocess\nlibc = ctypes.CDLL(None)\nn = 0\n"
        "n += libc.syscall(435, ctypes.create_string_buffer(88), 88) > 0\nn += libc.vfork() > 0\n"
        "try: subprocess.run(['/py/bin/python', '-c', '']); n += 1\nexcept OSError: pass\n"
        "try: os.posix_spawn('/py/bin/python', ['python', '-V'], {}); n += 1\nexcept OSError: pass\n"
        "assert n\ndef f(x): return x * x",
        "clone without CLONE_THREAD is refused, and clone3 altogether",
    ),
    Attack(
        "threads",
        "import threading, time\nthreading.stack_size(32768)\nn = 0\ntry:\n    for n in range(5000):\n"
        "        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\nexcept RuntimeError: pass\n"
        "assert n > 40\ndef f(x): return x * x",
        "the number of tasks is limited, for root too: the program runs as a user of its own",
    ),
    Attack(
        "memory outside the address space",
        "import ctypes, os\nlibc = ctypes.CDLL(None)\nn = 0\n"
        "for i in range(1000):\n    n += libc.shmget(0, 64 << 20, 0o1600) >= 0\n"
        "try: n += os.memfd_create('x') > 0\nexcept OSError: pass\nassert n\ndef f(x): return x * x",
        "System V memory and memfd are refused",
    ),
    Attack(
        "a full disk",
        at_load(
            "n = 0\nwhile True:\n    with open(f'/tmp/{n}', 'wb') as file: file.write(bytes(1 << 20))\n    n += 1"
        )
        + "import os\nassert sum(e.stat().st_size for e in os.scandir('/tmp')) > 17 << 20\ndef f(x): return x * x",
        "16 MiB of scratch space in memory",
    ),
    Attack(
        "files elsewhere",
        "import os\nn = 0\nfor p in ('/x', '/usr/lib/x', '/py/lib/x', '/code/x', '/dev/x', '/dev/shm/x', '/var/tmp/x', '/home/x'):\n"
        "    try: n += bool(open(p, 'w'))\n    except OSError: pass\nassert n\ndef f(x): return x * x",
        "everything but /tmp is read-only",
    ),
    Attack(
        "kills what it sees",
        "import os, signal\nfor pid in (-1, os.getppid(), 1):\n    try: os.kill(pid, signal.SIGKILL)\n    except OSError: pass\n"
        + ANY,
        "it sees its own namespace alone",
        ("ok", "timeout"),
    ),
    Attack(
        "root in a namespace of its own",
        "import ctypes\nlibc = ctypes.CDLL(None)\nassert libc.unshare(0x10000000) == 0 or libc.unshare(0x00020000) == 0\ndef f(x): return x * x",
        "unshare is refused",
    ),
    Attack(
        "root by its user",
        "import os\ndone = []\nfor uid in (0, 1, 1000):\n    try: done.append(os.setresuid(uid, uid, uid))\n    except OSError: pass\n"
        "assert done or os.getuid() == 0\ndef f(x): return x * x",
        "it is nobody and has no capabilities",
    ),
    Attack(
        "sockets",
        "import socket\nn = 0\nfor family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_NETLINK):\n"
        "    try: socket.socket(family); n += 1\n    except OSError: pass\nassert n\ndef f(x): return x * x",
        "socket is refused, and the network namespace is empty",
    ),
]

ATTACKS = [*ENDS, *SAYS, *PRETENDS, *PATCHES, *READS, *HARM]
