"""What goes wrong when Adam's second moments come from the very gradients that are then measured.

    python bench/adam_coupling.py     # half a minute

A finite softmax world (tests/worlds.py) whose exact ⟨∇J_k, ∇J_1⟩ is known. v̂ is estimated from per-prompt
gradients, as examples/second_moments.py does, once from the run that is measured and once from another run of
the same size: the metrics then follow the same law, and what differs is the coupling alone. Prints the mean
of the (otherwise unbiased) estimates over that of the exact product in the same metrics.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.worlds import world

from acute.core.products import Products, coefficients, unbiased
from acute.measure.conflict import Measured

KS, FOLDS, RUNS = (1, 4), 2, 1000


def second_moments(measured, batch):
    """v̂ of each number, from ∇J_1 estimated prompt by prompt: what batches of so many prompts would leave."""
    full_NO = coefficients([unbiased(1)], measured.n_NM, measured.c_NM).full_JNO[0]
    g_ND = np.einsum("no,nmod->nd", full_NO, measured.sums_NMOD)
    square, N = (g_ND**2).mean(0), len(g_ND)
    of_mean = np.maximum((N * g_ND.mean(0) ** 2 - square) / (N - 1), 0)
    return square / batch + (1 - 1 / batch) * of_mean


def inner(measured, P):
    """⟨P ∇J_k, ∇J_1⟩ for each k, unbiased for a P that is independent of these responses."""
    coefs = coefficients([unbiased(k) for k in KS], measured.n_NM, measured.c_NM)
    products = Products(measured.sums_NMOD * np.sqrt(P), coefs)
    return [products.product(i, 0).finite for i in range(len(KS))]


def main():
    """One row a number of responses and batch size."""
    w = world(N=16, Y=6, d=64, sharing=0.6, seed=0)
    print("| responses a prompt | prompts a batch | k | same run | another run |\n|---|---|---|---|---|")
    for n in (8, 32, 128):
        for batch in (1, 16):
            rng, found = np.random.default_rng(n), []
            for _ in range(RUNS):
                here, other = (Measured(*w.roll(n, FOLDS, rng), np.inf) for _ in range(2))
                for source in (here, other):
                    v = second_moments(source, batch)
                    P = np.where(v > 0, 1 / (np.sqrt(v) + 1e-8), 0)  # as acute.gradients.metric has it
                    exact = [w.gradient(k) * P @ w.gradient(1) for k in KS]
                    found.append([inner(here, P), exact])
            value, exact = np.array(found).reshape(RUNS, 2, 2, len(KS)).transpose(2, 1, 3, 0)
            error = value.std(-1) / RUNS**0.5 / exact.mean(-1)
            ratio = value.mean(-1) / exact.mean(-1)
            for j, k in enumerate(KS):
                cells = (f"{ratio[i, j]:.2f} ± {abs(error[i, j]):.2f}" for i in (0, 1))
                print(f"| {n} | {batch} | {k} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
