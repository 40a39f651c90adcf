"""The rows of `analysis.json` about single prompts and about families."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from acute.core.estimate import Estimate
from acute.core.estimators import pass_at_k_weight
from acute.core.parts import Parts, parts
from acute.measure.conflict import Curve
from acute.measure.intervals import degrees_of_freedom, moderated
from acute.measure.many import Estimates, from_errors, weights, wilson
from acute.measure.shrink import shrunk
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

    All but p and weight are unknown for a prompt without a success or without a failure.
    """

    p: Estimates
    weight: Estimates
    agreement: Estimates
    agreement_shrunk: Estimates
    contribution: Estimates
    share: Estimates


class Noisy(NamedTuple):
    """Values, the variances of their errors, and the degrees of freedom that these rest on."""

    value_G: Floats
    variance_G: Floats
    df_G: Floats

    def shrunk(self, trend_G: Floats, known_G: NDArray[np.bool_]) -> Estimates:
        """Shrunk towards each other, those that are known; all unknown where they are too few."""
        empty = Estimates(*np.full((4, len(known_G)), np.nan))
        value, variance, df = (member[known_G] for member in self)
        found = shrunk(value, variance, df, trend_G[known_G])
        if found is not None:
            for whole, some in zip(empty, found, strict=True):
                whole[known_G] = some
        return empty


def _noisy(found: Parts, scale_G: Floats, sketch_variance_G: Floats, M: int) -> Noisy:
    """Group sums times `scale_G`, with the error of rollouts and sketch."""
    df = degrees_of_freedom(found.variance_G, found.squares_G, M)
    return Noisy(scale_G * found.value_G, scale_G**2 * found.variance_G + sketch_variance_G, df)


def _moderated(found: Parts, own_NM: Floats, scale_N: Floats, sketch_variance_N: Floats) -> Noisy:
    """As `_noisy` for single prompts.

    What a prompt itself adds to the error, `own_NM`, rests on its few folds alone, and with two of them a
    small difference comes with a short interval too often: it is moderated by what the others add to theirs.
    """
    M, own_N = own_NM.shape[1], (own_NM**2).sum(1)
    others_N, squares_N = found.variance_G - own_N, found.squares_G - own_N**2
    df_others = np.maximum(degrees_of_freedom(others_N, squares_N, M), 1.0)
    drawn_N, df, seen = own_N.copy(), np.inf, own_N > 0
    if seen.any():
        drawn_N[seen], df = moderated(own_N[seen], M)
    total, squares = drawn_N + others_N, drawn_N**2 / df + others_N**2 / df_others
    joint = np.divide(total**2, squares, out=np.full(len(total), np.inf), where=squares > 0)
    return Noisy(scale_N * found.value_G, scale_N**2 * total + sketch_variance_N, joint)


def agreement(curve: Curve) -> Noisy:
    """a(x) of every prompt."""
    ones = np.ones(curve.N)
    found = parts(curve.measured.sums_NMOD, curve.products, 0, np.arange(curve.N))
    first, _ = _lengths(curve, 1)
    return _moderated(found, curve.products.own_deviation(0, 0), ones, ones * first**2 / curve.size)


def _noise_trend(n_N: Floats, c_N: Floats) -> Floats:
    """p (1 - p) / n, what the variance of a prompt's agreement goes with; p kept off 0 and 1."""
    p = (c_N + 0.5) / (n_N + 1)
    return np.asarray(p * (1 - p) / n_N)


def _lengths(curve: Curve, k: int) -> tuple[float, float]:
    """‖∇J_1‖², and ‖∇J_k‖² ‖∇J_1‖²; 0 where an estimate is negative."""
    first = max(curve.norm[0].finite, 0.0)
    return first, max(curve.norm[k - 1].finite, 0.0) * first


def per_prompt(curve: Curve, k: int) -> PerPrompt:
    """What is known of each prompt, from a curve that reaches `k`."""
    measured, N = curve.measured, curve.N
    n, c = measured.n_N, measured.c_N
    ones, signal = np.ones(N), (c > 0) & (c < n)
    _, norms = _lengths(curve, k)
    noisy = agreement(curve)
    of_k = parts(measured.sums_NMOD, curve.products, k - 1, np.arange(N))
    own_NM = curve.products.own_deviation(k - 1, 0)
    of_cosine = _moderated(of_k, own_NM, ones / N, ones * norms / N**2 / curve.size)
    shown, contribution = (from_errors(*x).where(signal) for x in (noisy, of_cosine))
    closer = noisy.shrunk(_noise_trend(n, c), signal & np.isfinite(noisy.value_G))
    p = wilson(c, n)
    weight = weights(p, pass_at_k_weight(n, c, k), k)
    return PerPrompt(p, weight, shown, closer, contribution, contribution.scaled(1 / curve.scale(k)))


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
    inside = group_N >= 0
    size = np.bincount(group_N[inside]).astype(float)
    first, norms = _lengths(curve, k)
    of_one, of_k = (parts(measured.sums_NMOD, curve.products, i, group_N) for i in (0, k - 1))
    ones = np.ones(len(names))
    noisy = _noisy(of_one, 1 / size, ones * first**2 / curve.size, M)
    of_cosine = _noisy(of_k, ones / N, ones * norms / curve.size, M)
    trend = np.bincount(group_N[inside], _noise_trend(measured.n_N, measured.c_N)[inside]) / size**2
    # infinite degrees of freedom: no prompt of the family shows a gradient, only the sketch's error is left
    known = np.isfinite(noisy.value_G) & np.isfinite(noisy.df_G) & (noisy.variance_G > 0)
    members = [np.flatnonzero(group_N == i) for i in range(len(names))]
    p = [pass_at_k_of_these(measured.n_N[x], measured.c_N[x], 1) for x in members]
    columns = {
        "family": names,
        "prompts": size.astype(int).tolist(),
        "p": [None if e is None else e.as_json() for e in p],
        "agreement": from_errors(*noisy).where(known).as_json(),
        "agreement_shrunk": noisy.shrunk(trend, known).as_json(),
        "share": from_errors(*of_cosine).where(known).scaled(1 / curve.scale(k)).as_json(),
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
