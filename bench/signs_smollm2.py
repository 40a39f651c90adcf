"""How often is a claimed sign wrong, and how often is one claimed? Against exact truth on SmolLM2-135M.

    python bench/signs_smollm2.py bench/mixes WORLD    # the first time about 6 CPU minutes, then 2

Three mixes of 24 prompts (examples/quickstart/screen.py); truth: exact.npz of bench/kernel_smollm2.py. The
five likeliest responses of every prompt are differentiated once and sketched, into the folder WORLD. Then
runs of 256 responses a prompt are drawn from that law and analysed as `acute analyse` does. A cell is (mix,
k, estimand, inner product or cosine); a sign is claimed where its 95 % interval excludes 0. To have the
truth of a distribution of prompts, too, those of a run are drawn from the mix with replacement. k = 1 is
left out: ‖∇J_1‖² is never negative.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.real_world import real_world
from tests.worlds import World

from acute.gradients.exact import exact_inner
from acute.measure.conflict import Curve, Measured
from acute.models.load import load_policy
from acute.tasks.files import read_prompts
from coverage_smollm2 import compressed

KS, RUNS, N, FOLDS, SKETCH = (2, 4, 8, 16, 32), 100, 256, 4, 65536
ESTIMANDS = ("these prompts", "their distribution")
MOST = 5  # responses of a prompt that are differentiated; the others count as one
CLEAR = 0.2  # |cosine| beyond which a claim is wanted in most cells


def law_of(rows, folder):
    """The law of the responses of some prompts; each prompt's part is kept, so a killed job goes on."""
    folder.mkdir(exist_ok=True)
    policy = None
    for row in rows:
        part = folder / f"{row['prompt_id']}.npz"
        if not part.exists():
            policy = policy or load_policy("bundled:smollm2")
            world = real_world(policy, [row], most=MOST, with_kernel=False).world
            with (folder / "unfinished").open("wb") as file:
                np.savez(file, pi=world.pi_NY[0], scores=world.s_NYD[0], right=world.r_NY[0])
            (folder / "unfinished").replace(part)
            print(
                f"{part.stem}: mass of the responses merged {world.pi_NY[0, -1]:.2f}",
                file=sys.stderr,
                flush=True,
            )
    parts = [np.load(folder / f"{row['prompt_id']}.npz") for row in rows]
    return compressed(
        World(*(np.stack([part[name] for part in parts]) for name in ("pi", "scores", "right")))
    )


def answers(law, estimand, rng):
    """One run analysed: {(k, what): estimate} of an estimand."""
    if estimand == ESTIMANDS[1]:
        drawn = rng.integers(len(law.pi_NY), size=len(law.pi_NY))
        law = replace(law, pi_NY=law.pi_NY[drawn], s_NYD=law.s_NYD[drawn], r_NY=law.r_NY[drawn])
    curve = Curve(Measured(*law.roll(N, FOLDS, rng), SKETCH), max(KS))
    inner, cosine = (
        (curve.inner, curve.cosine)
        if estimand == ESTIMANDS[0]
        else (curve.inner_population, curve.cosine_population)
    )
    return {(k, name): f(k).estimate for k in KS for name, f in (("inner", inner), ("cosine", cosine))}


def claim(estimate):
    """-1 or 1 where the interval excludes 0, else 0."""
    if estimate is None or estimate.lo is None:
        return 0
    return int(estimate.lo > 0) - int(estimate.hi < 0)


def main(folder, world):
    with np.load(folder / "exact.npz") as found:
        names, p, kernel = found["prompt_id"].tolist(), found["p"], found["kernel"]
    mixes = {file.stem: read_prompts(file) for file in sorted(folder.glob("*.jsonl"))}
    rows = {row["prompt_id"]: row for some in mixes.values() for row in some}
    law = law_of([rows[name] for name in names], world)
    totals = {e: np.zeros(5, int) for e in ESTIMANDS}  # cells, claims, wrong, clear cells, claims there
    print(
        "mix        k  exact cosine | claimed, wrong, of these prompts: inner; cosine | of their distribution"
    )
    for mix, some in mixes.items():
        index = [names.index(row["prompt_id"]) for row in some]
        mixed = World(law.pi_NY[index], law.s_NYD[index], law.r_NY[index])
        truth = {k: exact_inner(p[index], kernel[np.ix_(index, index)], k)[1] for k in KS}
        made = {
            e: [answers(mixed, e, np.random.default_rng([seed, i])) for seed in range(RUNS)]
            for i, e in enumerate(ESTIMANDS)
        }
        for k in KS:
            told = []
            for e in ESTIMANDS:
                for what in ("inner", "cosine"):
                    claims = np.array([claim(run[k, what]) for run in made[e]])
                    wrong = int((claims == -np.sign(truth[k])).sum())
                    clear = abs(truth[k]) > CLEAR
                    claimed = int((claims != 0).sum())
                    totals[e] += [RUNS, claimed, wrong, RUNS * clear, claimed * clear]
                    told.append(f"{claimed / RUNS:5.3f} {wrong / RUNS:5.3f}")
            print(f"{mix:9s} {k:2d}  {truth[k]:+12.3f} | {'; '.join(told[:2])} | {'; '.join(told[2:])}")
    for e, (cells, claimed, wrong, clear, there) in totals.items():
        print(
            f"{e}: {cells} cells, a sign claimed in {claimed} ({claimed / cells:.1%}), the wrong one in "
            f"{wrong} ({wrong / max(claimed, 1):.2%} of the claims); where |cosine| > {CLEAR}: "
            f"{there} of {clear} claimed ({there / max(clear, 1):.1%})"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
