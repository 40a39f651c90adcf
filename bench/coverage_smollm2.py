"""Do the intervals cover on a real model? Coverage of 95 % intervals on a quickstart mix.

    python bench/coverage_smollm2.py override     # about ten minutes, most of it gradients

The sixteen likeliest responses of every prompt are differentiated once (tests/real_world.py); then runs of
256 responses a prompt are drawn 300 times from their exact law and analysed. Prints one row a k.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.real_world import quickstart_rows, real_world
from tests.worlds import World

from acute.measure.conflict import Curve, Measured
from acute.models.load import load_policy

KS, RUNS, N, FOLDS = (1, 2, 4, 8, 16, 32), 300, 256, 4


def compressed(world):
    """The same world in as few dimensions as it has responses: all inner products are kept."""
    prompts, responses, size = world.s_NYD.shape
    flat = world.s_NYD.reshape(-1, size).astype(float)
    values, vectors = np.linalg.eigh(flat @ flat.T)
    kept = values > 1e-10 * values.max()
    scores = (vectors[:, kept] * np.sqrt(values[kept])).reshape(prompts, responses, -1)
    return World(world.pi_NY, scores, world.r_NY)


def covers(estimate, truth):
    return estimate is not None and estimate.lo - 1e-9 <= truth <= estimate.hi + 1e-9


def main(mix):
    world = compressed(
        real_world(load_policy("bundled:smollm2"), quickstart_rows(mix), with_kernel=False).world
    )
    hits = {"inner": np.zeros(len(KS)), "cosine": np.zeros(len(KS))}
    below, cosines = np.zeros(len(KS)), []
    for seed in range(RUNS):
        curve = Curve(Measured(*world.roll(N, FOLDS, np.random.default_rng(seed)), np.inf), max(KS))
        found = [(curve.inner(k).estimate, curve.cosine(k).estimate) for k in KS]
        for i, (k, (inner, cosine)) in enumerate(zip(KS, found, strict=True)):
            hits["inner"][i] += inner.lo <= world.inner(k) <= inner.hi
            hits["cosine"][i] += (
                cosine is not None and cosine.lo - 1e-9 <= world.cosine(k) <= cosine.hi + 1e-9
            )
            below[i] += inner.hi < 0
        cosines.append([np.nan if cosine is None else cosine.value for _, cosine in found])
    print("   k  exact cosine   mean    sd   covers: inner cosine   inner's interval below 0")
    mean, sd = np.nanmean(cosines, 0), np.nanstd(cosines, 0)
    for i, k in enumerate(KS):
        print(
            f"{k:4d}  {world.cosine(k):+12.3f}  {mean[i]:+.3f}  {sd[i]:.3f}"
            f"  {hits['inner'][i] / RUNS:14.3f}  {hits['cosine'][i] / RUNS:.3f}  {below[i] / RUNS:14.3f}"
        )


if __name__ == "__main__":
    main(sys.argv[1])
