"""The paper's LLM experiment on a run folder, and beside every figure what an unbiased estimate says.

    python examples/paper/prompts.py examples/paper/prompts.jsonl
    acute run examples/paper/paper.toml --out runs/paper
    python examples/paper/paper.py runs/paper runs/paper-figures

Prints the tables of docs/paper.md; writes paper.html and each figure as JSON into the second folder.

*The paper's way* (arXiv 2602.21189, section 5, appendix D) uses the responses of one fold only, n of them:
prompts with p̂ > δ1 or p̂ < δ2 and at least one success are kept; g(x) = (1/n) Σ of ∇ ln π over the successes;
a(x) = ⟨g(x), mean g⟩, the prompt's own responses in both; the weight is n (1 - p̂)**(n - 1), k = n.
*Unbiased* uses the other folds: the same prompts, but weights, gradients and agreement from responses that
had no part in choosing them, no response twice in a product (docs/statistics.md).
"""

import argparse
import itertools
from pathlib import Path
from typing import NamedTuple

import figures
import numpy as np

from acute.core.estimators import pass_at_k_weight, plug_in_weight
from acute.gradients.store import read_sketches
from acute.measure.conflict import Curve, Measured, finite_answers, restricted
from acute.run import Run

EASY, HARD, MAIN = (0.80, 0.85, 0.90), (0.05, 0.10, 0.15), (0.85, 0.10)


class Rollouts(NamedTuple):
    """Counts and gradient sums of every prompt by fold; sums also by outcome (wrong, right)."""

    prompt_ids: list[str]
    n_NM: np.ndarray
    c_NM: np.ndarray
    sums_NMOD: np.ndarray


class Found(NamedTuple):
    """One way's numbers on the prompts kept, `ends_N2` the interval of each agreement where it has one."""

    p_N: np.ndarray
    weight_N: np.ndarray
    agreement_N: np.ndarray
    ends_N2: np.ndarray | None
    product_N: np.ndarray  # w·a of each prompt
    weighted: float  # mean over prompts of w·a, which is ⟨∇J_k, ∇J_1⟩
    interval: tuple[float, float] | None


def read(folder):
    run = Run.open(folder)
    sums, facts = read_sketches(folder)
    at = {name: i for i, name in enumerate(facts["prompt_ids"])}
    n, c = np.zeros((2, *sums.shape[:2]))
    columns = run.responses().select(["prompt_id", "fold", "reward"]).to_pydict().values()
    for name, fold, reward in zip(*columns, strict=True):
        if reward is not None:
            n[at[name], fold] += 1
            c[at[name], fold] += reward
    return Rollouts(facts["prompt_ids"], n, c, sums)


def kept(n_N, c_N, easy, hard, never=False, always=False):
    """Indices of the prompts that the filter keeps; `never`, `always`: also those with p̂ = 0, p̂ = 1."""
    p = c_N / n_N
    keep = ((p > easy) | (p < hard)) & (never | (c_N > 0)) & (always | (c_N < n_N))
    return np.flatnonzero(keep)


def papers_way(data, index, fold):
    """Plug-in weights at k = n, no baseline, the same rollouts for direction, weight and agreement."""
    n, c = data.n_NM[index, fold], data.c_NM[index, fold]
    gradient_ND = data.sums_NMOD[index, fold, 1].astype(float) / n[:, None]
    agreement = gradient_ND @ gradient_ND.mean(0)
    weight = plug_in_weight(n, c, int(n.min()))
    product = weight * agreement
    return Found(c / n, weight, agreement, None, product, float(product.mean()), None)


def unbiased(data, index, folds, k):
    """The same prompts from the responses of some folds."""
    picked = np.ix_(index, folds)
    measured = Measured(data.n_NM[picked], data.c_NM[picked], data.sums_NMOD[picked], data.sums_NMOD.shape[3])
    curve, N = Curve(measured, k), len(index)
    agreement, product = (
        [
            answer.estimate
            for answer in finite_answers(restricted(measured, m, N * np.eye(N)), curve.size, 0.0)
        ]
        for m in (1, k)
    )
    inner = curve.inner(k).estimate
    return Found(
        measured.c_N / measured.n_N,
        pass_at_k_weight(measured.n_N, measured.c_N, k),
        np.array([e.value for e in agreement]),
        np.array([(e.lo, e.hi) for e in agreement], float),
        np.array([e.value for e in product]),
        inner.value,
        (inner.lo, inner.hi),
    )


def show(value, interval=None):
    ends = "" if interval is None or interval[0] is None else f" ({interval[0]:+.3g} to {interval[1]:+.3g})"
    return f"{value:+.3g}{ends}"


def grid(data, fold, never, always):
    """A row for each δ1 and δ2, both ways, and the naive way on responses that did not choose."""
    others = [m for m in range(data.n_NM.shape[1]) if m != fold]
    k = int(data.n_NM.min())
    print(f"\nSelected by fold {fold} (n = {k}); sums over prompts of w·a at k = {k}\n")
    print(
        "| δ1 | δ2 | hard + easy | a, unweighted mean | paper's way | the same on fresh rollouts | unbiased |"
    )
    print("|--:|--:|--:|--:|--:|--:|--:|")
    rows = []
    for easy, hard in itertools.product(EASY, HARD):
        index = kept(data.n_NM[:, fold], data.c_NM[:, fold], easy, hard, never, always)
        if len(index) < 2:
            print(f"| {easy:.2f} | {hard:.2f} | {len(index)} | too few prompts | | | |")
            continue
        old, new = papers_way(data, index, fold), unbiased(data, index, others, k)
        fresh = papers_way(data, index, others[0])
        N, difficult = len(index), int((old.p_N < hard).sum())
        interval = None if new.interval[0] is None else tuple(N * end for end in new.interval)
        print(
            f"| {easy:.2f} | {hard:.2f} | {difficult} + {N - difficult} | {show(old.agreement_N.mean())} "
            f"| {show(N * old.weighted)} | {show(N * fresh.weighted)} | {show(N * new.weighted, interval)} |"
        )
        rows.append(((easy, hard), index, old, new, interval))
    return rows


def regression(data):
    """What prompts with c successes of n in one fold do in the others, all folds taking a turn."""
    folds = range(data.n_NM.shape[1])
    n = int(data.n_NM.min())
    print(f"\nSuccesses among {n}, and the same prompts on fresh rollouts (every fold selects once)\n")
    print(
        f"| c of {n} | prompts × folds | p̂ | p on fresh rollouts | plug-in weight | unbiased weight, fresh |"
    )
    print("|--:|--:|--:|--:|--:|--:|")
    for low, high in ((0, 0), (1, 1), (2, 2), (3, 4), (5, 8), (9, n - 5), (n - 4, n - 1), (n, n)):
        pairs = [(x, m) for m in folds for x in np.flatnonzero(between(data.c_NM[:, m], low, high))]
        if not pairs:
            continue
        own = np.array([data.c_NM[x, m] for x, m in pairs])
        rest_n, rest_c = (np.array([t[x].sum() - t[x, m] for x, m in pairs]) for t in (data.n_NM, data.c_NM))
        fresh = rest_c.sum() / rest_n.sum()
        name = f"{low}" if low == high else f"{low}–{high}"
        print(
            f"| {name} | {len(pairs)} | {own.mean() / n:.3f} | {fresh:.3f} "
            f"| {plug_in_weight(n, own, n).mean():.3g} | {pass_at_k_weight(rest_n, rest_c, n).mean():.3g} |"
        )


def between(values, low, high):
    return (values >= low) & (values <= high)


def over_k(data):
    """The cosine of ∇J_k and ∇J_1 by k from all responses: of all prompts, and of those a filter keeps."""
    n, c = data.n_NM.sum(1), data.c_NM.sum(1)
    print("\nAll responses, unbiased: cosine of ∇J_k and ∇J_1\n")
    print("| k | all prompts | kept by the main filter on the same responses |")
    print("|--:|--:|--:|")
    curves = []
    for index in (np.arange(len(n)), kept(n, c, *MAIN, never=True, always=True)):
        measured = Measured(
            data.n_NM[index], data.c_NM[index], data.sums_NMOD[index], data.sums_NMOD.shape[3]
        )
        curves.append(Curve(measured, int(data.n_NM.min())))
    for k in (1, 2, 4, 8, 16, curves[0].k[-1]):
        cells = []
        for curve in curves:
            e = curve.cosine(k).estimate
            cells.append("—" if e is None else show(e.value, (e.lo, e.hi)))
        print(f"| {k} | {' | '.join(cells)} |")


def main():
    options = argparse.ArgumentParser()
    options.add_argument("run", type=Path)
    options.add_argument("out", type=Path)
    options.add_argument("--fold", type=int, default=0, help="the fold that selects")
    options.add_argument("--never", action="store_true", help="keep prompts without a success")
    options.add_argument("--always", action="store_true", help="keep prompts without a failure")
    given = options.parse_args()
    data = read(given.run)
    total = int(data.n_NM.sum())
    print(f"{len(data.prompt_ids)} prompts, {total} responses, pass@1 {data.c_NM.sum() / total:.3f}")
    rows = grid(data, given.fold, given.never, given.always)
    regression(data)
    over_k(data)
    figures.write(given.out, rows, MAIN)


if __name__ == "__main__":
    main()
