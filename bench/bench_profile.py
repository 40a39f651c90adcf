"""How long `acute profile` takes for every built-in estimator, beside starting Python with numpy.

python bench/bench_profile.py
"""

import resource
import statistics
import subprocess
import sys

from ratios import ratios, record

PROFILE = [sys.executable, "-m", "acute", "profile", "-n", "16", "-k", "8", "--json"]
START = [sys.executable, "-c", "import numpy"]


def seconds(command):
    """CPU seconds of a process, its start included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    pairs = [(seconds(PROFILE), seconds(START)) for _ in range(7)]
    times = dict(zip(("profile", "start"), map(list, zip(*pairs, strict=True)), strict=True))
    ratio, start = ratios(times, "start")["profile"], statistics.median(times["start"])
    print(f"acute profile, every built-in estimator, n = 16, k = 8: {ratio.seconds:.2f} s")
    print(f"{ratio.median:.1f} times what Python with numpy takes to start ({start:.2f} s)")
    record("profile", ratio._asdict())


if __name__ == "__main__":
    main()
