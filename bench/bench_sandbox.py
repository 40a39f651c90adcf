"""Programs a second in the sandbox, beside one plain Python process a program.

python bench/bench_sandbox.py [SECONDS_EACH]

The program is a right solution with a few tests. Plain: one process runs program and tests and believes its
exit status. Sandbox: program and judge apart, walls, limits, a result for each test. Both on every core; the
ratio is from turns in one run, so that a busy machine slows both.
"""

import os
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from acute.verify.problem import Problem
from acute.verify.runner import Runner
from acute.verify.sandbox import Sandbox

PROGRAM = """from typing import List

def has_close_elements(numbers: List[float], threshold: float) -> bool:
    return any(abs(a - b) < threshold for i, a in enumerate(numbers) for b in numbers[:i])
"""
TESTS = """def check(candidate):
    assert candidate([1.0, 2.0, 3.9, 4.0, 5.0, 2.2], 0.3) == True
    assert candidate([1.0, 2.0, 3.9, 4.0, 5.0, 2.2], 0.05) == False
    assert candidate([1.0, 2.0, 5.9, 4.0, 5.0], 0.95) == True
    assert candidate([1.1, 2.2, 3.1, 4.1, 5.1], 0.5) == False
check(has_close_elements)
"""
PROBLEM = Problem(tests=(TESTS,), names=("has_close_elements",))
PLAIN = [sys.executable, "-I", "-S", "-c", PROGRAM + TESTS]
TURNS = 5


def rate(work, threads, seconds):
    """How often `work` is done in a second, by threads that do it for `seconds`."""
    end = time.perf_counter() + seconds

    def repeat(_):
        count = 0
        while time.perf_counter() < end:
            work()
            count += 1
        return count

    began = time.perf_counter()
    count = sum(threads.map(repeat, range(os.cpu_count() or 1)))
    return count / (time.perf_counter() - began)


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    with Runner(Sandbox()) as runner, ThreadPoolExecutor(os.cpu_count()) as threads:

        def sandboxed():
            result = runner.run(PROGRAM, PROBLEM)
            if not result.passed:
                raise SystemExit(f"a right program failed: {result}")

        def plain():
            subprocess.run(PLAIN, check=True)

        sandboxed()
        pairs = [(rate(sandboxed, threads, seconds), rate(plain, threads, seconds)) for _ in range(TURNS)]
    walled, bare = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"{walled:.0f} programs/s in the sandbox, {bare:.0f} in plain processes, {os.cpu_count()} cores")
    print(f"{ratio:.2f} of the rate of plain processes")


if __name__ == "__main__":
    main()
