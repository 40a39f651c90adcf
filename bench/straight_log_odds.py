"""Is "log-odds move straight" a better prediction than first order? In finite softmax worlds, no.

    python bench/straight_log_odds.py     # seconds

Steps along ∇J_8 in 200 worlds of 24 prompts and eight shared parameters (tests/worlds.py), exact before and
after: median absolute error of both predictions, and in how many worlds the straight log-odds are nearer.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.worlds import world

from acute.core.steps import moved_along_log_odds


def errors(w, length, k):
    """|first order - truth|, |straight - truth| of the change of pass@k, and |truth|."""
    g = w.gradient(8)
    step = length * g / np.linalg.norm(g)
    tilted = w.pi_NY * np.exp(w.s_NYD @ step)
    slope = w.grad_p_ND @ step
    before = (1 - w.p_N) ** k
    truth = np.mean(before - (1 - (tilted * w.r_NY).sum(1) / tilted.sum(1)) ** k)
    first = np.mean(k * (1 - w.p_N) ** (k - 1) * slope)
    straight = np.mean(before - (1 - moved_along_log_odds(w.p_N, slope)) ** k)
    return abs(first - truth), abs(straight - truth), abs(truth)


def main():
    """One row a length and k."""
    print(
        "| length | k | change | first order's error | straight log-odds' error | nearer |\n"
        + "|---" * 6
        + "|"
    )
    for length in (0.1, 0.3, 1.0):
        for k in (1, 2, 8):
            found = np.array([errors(world(N=24, seed=seed), length, k) for seed in range(200)])
            first, straight, truth = np.median(found, 0)
            nearer = (found[:, 1] < found[:, 0]).mean()
            print(f"| {length} | {k} | {truth:.4f} | {first:.4f} | {straight:.4f} | {nearer:.0%} |")


if __name__ == "__main__":
    main()
