"""Does a step on pass@k of the measured prompts lower pass@1 of others, held out? ⟨∇J_k, ∇J_1 of those⟩.

No prompt is in both factors, so every product pairs different prompts and uses all responses of both; nothing
needs folds but the errors. Suffixes name axes: N prompts (T measured, H held out), O outcomes, D sketch.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from acute.core.blocks import blocks
from acute.core.products import Products, coefficients, unbiased
from acute.measure.conflict import Answer, Measured, finite_answers
from acute.measure.intervals import from_error, p_value_negative

Floats = NDArray[np.float64]


class HeldOut(NamedTuple):
    """One k's ⟨∇J_k of the measured prompts, ∇J_1 of the held-out ones⟩."""

    k: int
    these: Answer
    """Of exactly these prompts: the interval carries the rollouts' noise."""
    population: Answer
    """Of the two distributions that they were drawn from: it carries the choice of both sets as well."""


def held_out(measured: Measured, is_held_N: NDArray[np.bool_], ks: Sequence[int]) -> list[HeldOut]:
    """For each k, how pass@1 of the prompts held out moves, to first order, along ∇J_k of the others.

    Negative: it falls. `measured` holds both kinds, at least one prompt of each.
    """
    N, T = len(is_held_N), int((~is_held_N).sum())
    first = coefficients([unbiased(1)], measured.n_NM, measured.c_NM)
    each = coefficients([unbiased(k) for k in ks], measured.n_NM, measured.c_NM)
    direction = first.restricted((is_held_N * N / (N - T))[None])
    for i in range(len(ks)):
        direction = direction + each.only(i).restricted((~is_held_N * N / T)[None])
    products = Products(measured.sums_NMOD, direction)
    norm = max(products.product(0, 0).finite, 0.0)
    crossed_KTH = _crossed(measured, each.full_JNO, first.full_JNO[0], is_held_N)
    found = []
    for i, k in enumerate(ks, start=1):
        product = products.product(i, 0)
        norms = max(products.product(i, i).finite, 0.0) * norm + product.finite**2
        these = finite_answers([product], measured.sketch_size, norms)[0]
        found.append(HeldOut(k, these, _population(crossed_KTH[i - 1], norms / measured.sketch_size)))
    return found


def _crossed(measured: Measured, full_KNO: Floats, first_NO: Floats, is_held_N: NDArray[np.bool_]) -> Floats:
    """⟨∇J_k of a measured prompt, ∇p of one held out⟩ for every k and pair, (K, T, H)."""
    sums, N = measured.sums_NMOD, len(is_held_N)
    row_bytes = int(np.prod(sums.shape[1:])) * sums.dtype.itemsize
    held, kept = np.flatnonzero(is_held_N), np.flatnonzero(~is_held_N)
    gradient_HD = np.concatenate(
        [
            np.einsum("no,nod->nd", first_NO[held[s]], sums[held[s]].sum(1))
            for s in blocks(len(held), row_bytes)
        ]
    )
    found = np.empty((len(full_KNO), len(kept), N - len(kept)))
    for some in blocks(len(kept), row_bytes):
        total_NOD = sums[kept[some]].sum(1)
        for k, full_NO in enumerate(full_KNO):
            found[k, some] = np.einsum("no,nod->nd", full_NO[kept[some]], total_NOD) @ gradient_HD.T
    return found


def _population(crossed_TH: Floats, from_sketch: float) -> Answer:
    """The mean over both axes, with the error of two independent samples of prompts.

    The means over one axis vary by that axis' own spread and by what is left of the pairs' own; the latter
    would be counted on both sides, so it is taken off once (two-way analysis of variance). Welch's degrees of
    freedom.
    """
    T, H = crossed_TH.shape
    if not np.isfinite(crossed_TH).all() or min(T, H) < 2:
        return Answer(None, None)
    mean, rows, columns = crossed_TH.mean(), crossed_TH.mean(1), crossed_TH.mean(0)
    left = crossed_TH - rows[:, None] - columns + mean
    of_rows, of_columns = rows.var(ddof=1) / T, columns.var(ddof=1) / H
    twice = (left**2).sum() / ((T - 1) * (H - 1) * T * H)
    variance = max(of_rows + of_columns - twice, of_rows, of_columns)
    spread = of_rows**2 / (T - 1) + of_columns**2 / (H - 1)
    df = (of_rows + of_columns) ** 2 / spread if spread > 0 else np.inf
    estimate = from_error(float(mean), float(np.sqrt(variance + from_sketch)), df)
    return Answer(estimate, p_value_negative(estimate, df))
