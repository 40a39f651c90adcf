"""The rows of `analysis.json` about single prompts and about families."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from acute.core.estimate import Estimate
from acute.core.estimators import pass_at_k_weight
from acute.core.parts import Parts, parts
from acute.measure.conflict import Curve
from acute.measure.intervals import degrees_of_freedom
from acute.measure.many import Estimates, from_errors, weights, wilson
from acute.measure.success import pass_at_k_of_these, posterior_negative

Json = dict[str, Any]
Floats = NDArray[np.float64]


class Facts(NamedTuple):
    """What the tables say of the prompts that are analysed."""

    prompt_ids: list[str]
    family: list[str | None]
    truncated_N: NDArray[np.int64]


class PerPrompt(NamedTuple):
    """Each prompt's p, weight at k, agreement, and what it adds to ⟨∇J_k, ∇J_1⟩ and to the cosine.

    The last three are unknown for a prompt without a success or without a failure: no gradient was seen.
    """

    p: Estimates
    weight: Estimates
    agreement: Estimates
    contribution: Estimates
    share: Estimates


def _estimates(found: Parts, scale_G: Floats, sketch_variance_G: Floats, M: int) -> Estimates:
    """Group sums times `scale_G`, with the error of rollouts and sketch."""
    df = degrees_of_freedom(found.variance_G, found.squares_G, M)
    variance = scale_G**2 * found.variance_G + sketch_variance_G
    return from_errors(scale_G * found.value_G, variance, df)


def _lengths(curve: Curve, k: int) -> tuple[float, float]:
    """‖∇J_1‖², and ‖∇J_k‖² ‖∇J_1‖²; 0 where an estimate is negative."""
    first = max(curve.norm[0].finite, 0.0)
    return first, max(curve.norm[k - 1].finite, 0.0) * first


def _share(contribution: Estimates, norms: float) -> Estimates:
    """Contributions to the cosine; unknown where a length is."""
    return contribution.scaled(1 / np.sqrt(norms) if norms > 0 else np.nan)


def per_prompt(curve: Curve, k: int) -> PerPrompt:
    """What is known of each prompt, from a curve that reaches `k`."""
    measured, N, M = curve.measured, curve.N, curve.products.M
    n, c = measured.n_N, measured.c_N
    each, ones = np.arange(N), np.ones(N)
    signal = (c > 0) & (c < n)
    first, norms = _lengths(curve, k)
    of_one, of_k = (parts(measured.sums_NMOD, curve.products, i, each) for i in (0, k - 1))
    agreement = _estimates(of_one, ones, ones * first**2 / curve.size, M).where(signal)
    contribution = _estimates(of_k, ones / N, ones * norms / N**2 / curve.size, M).where(signal)
    p = wilson(c, n)
    weight = weights(p, pass_at_k_weight(n, c, k), k)
    return PerPrompt(p, weight, agreement, contribution, _share(contribution, norms))


def prompt_rows(curve: Curve, found: PerPrompt, facts: Facts) -> list[Json]:
    """A row a prompt."""
    measured = curve.measured
    columns = {
        "prompt_id": facts.prompt_ids,
        "family": facts.family,
        "truncated": facts.truncated_N.tolist(),
        "responses": measured.n_N.astype(int).tolist(),
        "successes": measured.c_N.astype(int).tolist(),
        **{name: estimates.as_json() for name, estimates in found._asdict().items()},
    }
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def costs(row: Json) -> float:
    """The end of the interval that is nearer to harmless; unknown counts as harmless."""
    share = row["contribution"]
    return float("inf") if share is None or share["hi"] is None else float(share["hi"])


def family_rows(curve: Curve, k: int, family: Sequence[str | None]) -> list[Json]:
    """A row a family: p, agreement with ∇J_1, and what it adds to the cosine at k."""
    names = sorted({name for name in family if name is not None})
    if not names:
        return []
    measured, M, N = curve.measured, curve.products.M, curve.N
    at = {name: i for i, name in enumerate(names)}
    group_N = np.array([-1 if name is None else at[name] for name in family])
    size = np.bincount(group_N[group_N >= 0], minlength=len(names)).astype(float)
    first, norms = _lengths(curve, k)
    of_one, of_k = (parts(measured.sums_NMOD, curve.products, i, group_N) for i in (0, k - 1))
    ones = np.ones(len(names))
    agreement = _estimates(of_one, 1 / size, ones * first**2 / curve.size, M)
    contribution = _estimates(of_k, ones / N, ones * norms / curve.size, M)
    members = [np.flatnonzero(group_N == i) for i in range(len(names))]
    p = [pass_at_k_of_these(measured.n_N[x], measured.c_N[x], 1) for x in members]
    columns = {
        "family": names,
        "prompts": size.astype(int).tolist(),
        "p": [None if e is None else e.as_json() for e in p],
        "agreement": agreement.as_json(),
        "share": _share(contribution, norms).as_json(),
    }
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def fraction_negative(agreement: Estimates) -> Estimate | None:
    """Share of prompts with a < 0, by empirical Bayes; None if an error is unknown.

    The interval runs from the share whose own intervals lie below 0 to the share whose do not lie above:
    wide, and free of the prior that the value leans on. Prompts that show no gradient must not be in it.
    """
    if len(agreement.value_N) < 2 or not (agreement.se_N > 0).all():
        return None
    value = float(posterior_negative(agreement.value_N, agreement.se_N).mean())
    below, not_above = float(np.mean(agreement.hi_N < 0)), float(np.mean(~(agreement.lo_N > 0)))
    return Estimate(min(max(value, below), not_above), None, below, not_above)
