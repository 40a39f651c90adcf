"""How long `acute profile` takes for every built-in estimator, beside starting Python with numpy.

python bench/bench_profile.py
"""

import statistics
import subprocess
import sys
import time

PROFILE = [sys.executable, "-m", "acute", "profile", "-n", "16", "-k", "8", "--json"]
START = [sys.executable, "-c", "import numpy"]


def seconds(command):
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def main():
    pairs = [(seconds(PROFILE), seconds(START)) for _ in range(7)]
    profile, start = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"acute profile, 26 estimators, n = 16, k = 8: {profile:.2f} s")
    print(f"{ratio:.1f} times what Python with numpy takes to start ({start:.2f} s)")


if __name__ == "__main__":
    main()
