"""How much noise known probabilities take away on a real model (acute.core.known).

    python bench/known_probabilities.py override 4     # mix, prompts of each family; a few minutes

The sixteen likeliest responses of every prompt are differentiated once (tests/real_world.py) and runs of 256
responses in 4 folds drawn from their exact law. ⟨∇J_k, ∇J_1⟩ of these prompts is estimated from the same
responses by frequencies and by probabilities; printed is the standard deviation of both over runs, with their
mean beside the truth, and the same for runs of 32 responses in 2 folds.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.coverage_smollm2 import compressed
from tests.real_world import quickstart_rows, real_world

from acute.core.estimators import pass_at_k_advantages
from acute.core.known import known_coefficients
from acute.models.load import load_policy

RUNS, SKETCH = 400, 4096


def by_frequency(count, _, right, k):
    n, c = count.sum(), count[right].sum()
    success, failure = pass_at_k_advantages(n, c, k)
    return count / n * np.where(right, success, failure)


def gradient(world, x, count, k, estimate):
    """One prompt's ∇J_k from how often each response was drawn."""
    seen = count > 0
    right = world.r_NY[x, seen] == 1
    return estimate(count[seen], world.pi_NY[x, seen], right, k) @ world.s_NYD[x, seen]


def inner(world, counts_NMY, k, estimate):
    """⟨∇J_k, ∇J_1⟩: different prompts from all responses, a prompt with itself from different folds."""
    N, M = counts_NMY.shape[:2]
    whole = [
        np.stack([gradient(world, x, counts_NMY[x].sum(0), a, estimate) for x in range(N)]) for a in (k, 1)
    ]
    total = whole[0].sum(0) @ whole[1].sum(0) - (whole[0] * whole[1]).sum()
    for x in range(N):
        folds = [
            np.stack([gradient(world, x, counts_NMY[x, m], a, estimate) for m in range(M)]) for a in (k, 1)
        ]
        within = folds[0] @ folds[1].T
        total += (within.sum() - np.trace(within)) / (M * (M - 1))
    return total / N**2


def main(mix, each):
    rows = quickstart_rows(mix)
    families = sorted({row["family"] for row in rows})
    some = [row for f in families for row in [r for r in rows if r["family"] == f][:each]]
    policy = load_policy("bundled:smollm2")
    world = compressed(real_world(policy, some, size=SKETCH, with_kernel=False).world)
    print(f"{mix}: {len(some)} prompts, p = {np.sort(world.p_N).round(3)}")
    for n, M in ((256, 4), (32, 2)):
        for k in (1, 4, 8):
            found = {"frequencies": [], "known": []}
            rng = np.random.default_rng(0)
            for _ in range(RUNS):
                draws = [rng.multinomial(n // M, world.pi_NY) for _ in range(M)]
                counts = np.stack(draws, 1)
                found["frequencies"].append(inner(world, counts, k, by_frequency))
                found["known"].append(inner(world, counts, k, known_coefficients))
            mean = {name: (np.mean(v), np.std(v) / RUNS**0.5) for name, v in found.items()}
            told = ", ".join(f"{name} {a:.4g} ± {b:.2g}" for name, (a, b) in mean.items())
            ratio = np.var(found["known"]) / np.var(found["frequencies"])
            print(
                f"n = {n}, k = {k}: truth {world.inner(k):.4g}; mean by {told}; variance × {ratio:.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
