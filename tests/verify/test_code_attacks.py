"""No attack passes, and none leaves a process, a file or a connection behind."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from acute.verify.problem import Problem
from acute.verify.runner import Runner
from acute.verify.sandbox import Limits, Sandbox
from tests.verify.attacks import ON_THE_JUDGE, PROBLEM
from tests.verify.attacks_by_lying import ON_TRUST
from tests.verify.attacks_on_machine import HARM, READS

ATTACKS = [*ON_THE_JUDGE, *READS, *HARM, *ON_TRUST]

MEMORY = (512 << 20) + os.getpid()  # stands on the command line of every program of these tests
ROOT = Path(__file__).parents[2]
SQUARE = "def f(x):\n    return x * x\n"


@pytest.fixture(scope="module")
def runner():
    with Runner(Sandbox(limits=Limits(seconds=1, memory=MEMORY))) as runner:
        runner.run(SQUARE, PROBLEM)  # its judge is warm, and its files are open
        yield runner


def alive(mark):
    """Processes of this machine, the programs of sandboxes too, that have `mark` on their command line."""
    found = []
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if folder.name.isdigit() and mark.encode() in (folder / "cmdline").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


def stays(mark, seconds=5.0):
    """Those still there after a while: a killed process takes a moment to go on a busy machine."""
    until = time.monotonic() + seconds
    while (found := alive(mark)) and time.monotonic() < until:
        time.sleep(0.02)
    return found


def test_there_are_enough():
    assert len(ATTACKS) >= 25
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)
    assert all(len(attack.reason) > 5 for attack in ATTACKS)


def test_the_honest_program_passes(runner):
    result = runner.run(SQUARE, PROBLEM)
    assert (result.outcome, result.passed, result.tests) == ("ok", True, (True, True, True))


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_does_not_pass_and_leaves_nothing(runner, attack):
    before = set(Path("/proc/self/fd").iterdir())
    result = runner.run(attack.program, attack.problem)
    assert not result.passed
    assert result.outcome in attack.outcomes, result
    assert not stays(str(MEMORY))
    assert set(Path("/proc/self/fd").iterdir()) == before
    assert runner.run(SQUARE, PROBLEM).passed  # what runs next is not harmed


def naive(attack):
    """Whether a judge is fooled that runs program and tests in one process and looks at its exit status."""
    source = "\n".join([attack.program, *attack.problem.tests])
    command = [sys.executable, "-I", "-c", source]
    return subprocess.run(command, capture_output=True, timeout=60).returncode == 0


FOOL_A_NAIVE_JUDGE = [
    "exit at once",
    "sys.exit at once",
    "exit when called",
    "SystemExit when called",
    "StopIteration ends the loop of the tests",
    "an object equal to everything",
    "an integer equal to everything",
    "a mock",
    "an object that is always true",
    "edits its argument to fit",
    "a stand-in for modules of the tests",
    "frames and garbage",
    "other processes",
    "files of the machine",
    "the environment",
    "sockets",
    "a key equal to every key",
    "a list of any length",
    "an object larger than every other",
    "an attribute equal to everything",
    "an array that compares as true",
]


@pytest.mark.parametrize("name", FOOL_A_NAIVE_JUDGE)
def test_attacks_are_attacks(name, monkeypatch):
    monkeypatch.setenv("A_SECRET", "1")
    assert naive(next(attack for attack in ATTACKS if attack.name == name))


def test_nobody_is_called(runner):
    """A server of this machine hears nothing, though the program knows its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.5)
        port = server.getsockname()[1]
        call = f"import socket\nsocket.create_connection(('127.0.0.1', {port}), 1)\n"
        assert not runner.run(call + SQUARE, PROBLEM).passed
        with pytest.raises(TimeoutError):
            server.accept()
        subprocess.run([sys.executable, "-c", call], check=True)  # without the walls it is heard
        server.accept()[0].close()


def test_no_file_is_written(runner, tmp_path):
    path = tmp_path / "written"
    write = f"open({str(path)!r}, 'w').write('x')\n"
    assert not runner.run(write + SQUARE, PROBLEM).passed
    assert not path.exists()


def test_killed_with_its_parent():
    """Programs and judges end with the process that started them."""
    mark = MEMORY + 1
    code = (
        "from acute.verify.problem import Problem\nfrom acute.verify.runner import Runner\n"
        f"from acute.verify.sandbox import Limits, Sandbox\nsandbox = Sandbox(limits=Limits(memory={mark}))\n"
        "Runner(sandbox).run('import time; time.sleep(1000)', Problem(tests=('f',), names=('f',)))"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    assert wait_until(lambda: alive(str(mark)))
    others = [child for child in children(process.pid) if str(mark).encode() not in command(child)]
    assert any(b"bwrap" in command(other) for other in others)  # the judge
    process.kill()
    process.wait()
    assert wait_until(lambda: not alive(str(mark)))
    assert wait_until(lambda: not any(command(other) for other in others))


@pytest.mark.parametrize(
    ("then", "outcome"), [("while True: pass", "out_of_time"), ("import os; os._exit(0)", "ok")]
)
def test_without_walls_what_a_program_started_ends_with_it(then, outcome):
    mark = str(MEMORY + 2)
    start = (
        "import subprocess as s, sys\n"
        f"s.Popen([sys.executable, '-c', 'import time; time.sleep(600)', '{mark}'], stdout=s.DEVNULL)\n"
        "print('started', flush=True)\n"
    )
    limits = Limits(seconds=1, memory=MEMORY, tasks=1 << 16)  # tasks count for all of a user
    with Runner(Sandbox("none-unsafe", limits)) as runner:
        result = runner.run(start + then, Problem(cases=(("", "started\n"),)))
    assert result.outcome == outcome
    assert outcome != "ok" or result.passed  # it did start it
    assert not stays(mark)


def test_killed_while_its_sandboxes_start():
    """The same at moments around their start; `python -m tests.verify.killed_at_start` tries hundreds."""
    command = [sys.executable, "-m", "tests.verify.killed_at_start", "12"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_killed_warden_is_replaced():
    code = (
        "import psutil\nfrom tests.verify.test_code_attacks import PROBLEM, SQUARE, Runner, Sandbox\n"
        "def wardens():\n"
        "    children = psutil.Process().children()\n"
        "    return [c for c in children if any('warden.py' in word for word in c.cmdline())]\n"
        "with Runner(Sandbox()) as runner:\n"
        "    assert runner.run(SQUARE, PROBLEM).passed and runner.run(SQUARE, PROBLEM).passed\n"
        "    [first] = wardens()\n"
        "    first.kill()\n"
        "    first.wait()\n"
        "    assert runner.run(SQUARE, PROBLEM).passed\n"
        "    [second] = wardens()\n"
        "print(second.pid)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert wait_until(
        lambda: b"warden.py" not in command(int(done.stdout))
    )  # it ends when there is no more to do


def children(pid):
    """The processes that a process has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def command(pid):
    """A process's command line, empty where there is none."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def wait_until(condition, seconds=60):
    """Whether a condition becomes true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
