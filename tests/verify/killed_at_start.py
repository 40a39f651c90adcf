"""Kills processes at random moments around the start of their sandboxes, and counts what outlives them.

python -m tests.verify.killed_at_start [TRIES] [SEED]

Each try is a process of its own that runs two sleeping programs at once, one that tests call and one whole,
with a new judge. It is killed at a moment drawn evenly from the time in which both come to run.
"""

import contextlib
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

from acute.verify.problem import Problem
from acute.verify.runner import Runner
from acute.verify.sandbox import Sandbox

MARK = "ACUTE_TEST_KILLED"
TESTS, WHOLE = Problem(tests=("f",), names=("f",)), Problem(cases=(("", ""),))
SLEEP = "import time\ntime.sleep(1000)"


def run_both(program: str) -> None:
    """Run a program in both ways at once."""
    with Runner(Sandbox()) as runner:
        threads = [threading.Thread(target=runner.run, args=(program, kind)) for kind in (TESTS, WHOLE)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def forked(mark: str, program: str) -> int:
    """A process that runs both; every process that it starts outside of a sandbox has `mark`."""
    if child := os.fork():
        return child
    try:
        os.environ[MARK] = mark
        run_both(program)
    finally:
        os._exit(0)


def marked(mark: str) -> list[int]:
    """Processes with this mark: bubblewrap on both sides of its walls, and those that watch over it."""
    wanted, found = f"{MARK}={mark}".encode(), []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                if wanted in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
    return found


def left_after(mark: str, delay: float, patience: float) -> list[int]:
    """What is still there `patience` seconds after the process was killed, `delay` after it began."""
    parent = forked(mark, SLEEP)
    time.sleep(delay)
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    until = time.monotonic() + patience
    while (left := marked(mark)) and time.monotonic() < until:
        time.sleep(0.01)
    return left


def seconds_to_run() -> float:
    """How long it takes here until programs have run, started by a new process."""
    took = []
    for number in range(3):
        began = time.monotonic()
        os.waitpid(forked(f"{os.getpid()}-first{number}", "def f(): pass"), 0)
        took.append(time.monotonic() - began)
    return min(took)


def main(tries: int, seed: int, patience: float = 10.0) -> int:
    """How many tries left something behind; prints what."""
    drawn, span, count = random.Random(seed), seconds_to_run(), 0
    for number in range(tries):
        delay = drawn.uniform(0, span)
        left = left_after(f"{os.getpid()}-{number}", delay, patience)
        count += bool(left)
        for pid in left:
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
                wait = Path(f"/proc/{pid}/wchan").read_text()
                print(f"{delay:.4f} s: {words[0]} … {' '.join(words[-10:])[:90]} ({wait})", flush=True)
                os.kill(pid, signal.SIGKILL)
    print(f"{count} of {tries} left something behind; killed within {span:.3f} s of their start")
    return count


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    sys.exit(main(*given[:2]) > 0 if len(given) > 1 else main(given[0] if given else 300, 0) > 0)
