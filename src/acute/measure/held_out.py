"""Does a step on pass@k of the measured prompts lower pass@1 of others, held out? ⟨∇J_k, ∇J_1 of those⟩.

No prompt is in both factors, so every product pairs different prompts and uses all responses of both; nothing
needs folds but the errors. Suffixes name axes: N prompts (T measured, H held out), O outcomes, D sketch.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

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


def held_out(measured: Measured, held: Measured, ks: Sequence[int]) -> list[HeldOut]:
    """For each k, how pass@1 of `held` moves, to first order, along ∇J_k of `measured`; below 0 it falls."""
    both = Measured(
        np.concatenate([measured.n_NM, held.n_NM]),
        np.concatenate([measured.c_NM, held.c_NM]),
        np.concatenate([measured.sums_NMOD, held.sums_NMOD]),
        measured.sketch_size,
    )
    sizes = len(measured.n_NM), len(held.n_NM)
    N = sum(sizes)
    inside = np.arange(N) < sizes[0]
    first = coefficients([unbiased(1)], both.n_NM, both.c_NM)
    coefs = first.restricted((~inside * N / sizes[1])[None])
    for k in ks:
        own = coefficients([unbiased(k)], both.n_NM, both.c_NM)
        coefs = coefs + own.restricted((inside * N / sizes[0])[None])
    products = Products(both.sums_NMOD, coefs)
    norm = max(products.product(0, 0).finite, 0.0)
    direction_HD = _gradients(held, 1)
    found = []
    for i, k in enumerate(ks, start=1):
        product = products.product(i, 0)
        norms = max(products.product(i, i).finite, 0.0) * norm + product.finite**2
        these = finite_answers([product], both.sketch_size, norms)[0]
        crossed = _gradients(measured, k) @ direction_HD.T
        found.append(HeldOut(k, these, _population(crossed.astype(float), norms / both.sketch_size)))
    return found


def _gradients(measured: Measured, k: int) -> NDArray[np.floating]:
    """Each prompt's ∇J_k from all its responses, sketched; (N, D). NaN where there are fewer than k."""
    full_NO = coefficients([unbiased(k)], measured.n_NM, measured.c_NM).full_JNO[0]
    return np.asarray(np.einsum("no,nod->nd", full_NO, measured.sums_NMOD.sum(1)))


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
