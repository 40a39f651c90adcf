"""95 % intervals: Student's t with the degrees of freedom that the error itself was estimated from."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from acute.core.estimate import Estimate

Floats = NDArray[np.float64]
LEVEL = 0.95


def from_error(value: float, se: float, df: float, bounds: tuple[float, float] | None = None) -> Estimate:
    """value ± t · se, cut to `bounds` if given. Without degrees of freedom the error is unknown, not 0."""
    if not np.isfinite(value):
        raise ValueError(f"wanted a finite value, found {value}")
    if not (np.isfinite(se) and df > 0):
        return Estimate(float(value), None, None, None)
    reach = float(stats.t.ppf((1 + LEVEL) / 2, df)) * se
    lo, hi = value - reach, value + reach
    if bounds is not None:
        lo, hi = max(lo, bounds[0]), min(hi, bounds[1])
    return Estimate(float(value), float(se), float(lo), float(hi))


def p_value_negative(estimate: Estimate, df: float) -> float | None:
    """One-sided p-value of the hypothesis that the true value is ≥ 0; None where the error is unknown."""
    if not estimate.se:
        return None
    return float(stats.t.cdf(estimate.value / estimate.se, df))


def deletion_variance(deleted_NM: Floats) -> tuple[float, float]:
    """Variance of Σ_x of an estimate whose fold-deleted values are given, and its degrees of freedom.

    Delete-a-fold jackknife inside each prompt, prompts independent.
    """
    M = deleted_NM.shape[1]
    spread = deleted_NM - deleted_NM.mean(1, keepdims=True)
    variance_N = (M - 1) / M * (spread**2).sum(1)
    total, squares = variance_N.sum(), (variance_N**2).sum()
    return float(total), float(degrees_of_freedom(total, squares, M))


def degrees_of_freedom(total: ArrayLike, squares: ArrayLike, M: int) -> Floats:
    """Satterthwaite's, of sums of variances v that rest on M folds each: `total` = Σv, `squares` = Σv².

    With d = M - 1 of them in each prompt, f = (Σv)²/Σv² understates the number of prompts that matter (it is
    (N + 2/d) / (1 + 2/d) for N equal ones); solved for N and times d that is (d + 2) f - 2: d if one prompt
    makes all the noise, d N if all make the same. Without any noise there is no end to them.
    """
    total, squares = np.asarray(total, float), np.asarray(squares, float)
    alike = np.divide(total**2, squares, out=np.full(np.shape(squares), np.inf), where=squares != 0)
    return np.asarray((M + 1) * alike - 2)


def simultaneous_reach(deleted_KNM: Floats, df: float, seed: int, draws: int = 40_000) -> float:
    """How many standard errors a 95 % band over all k must reach, where each k alone needs Student's t.

    The largest of |error_k| / se_k over k, with the errors' joint law taken from the fold-deleted values
    (Gaussian multipliers) and `df` degrees of freedom in the standard errors. K curves, N prompts, M folds.

    Reference: sup-t bands, Montiel Olea & Plagborg-Møller 2019.
    """
    K, N, M = deleted_KNM.shape
    deviation = (deleted_KNM - deleted_KNM.mean(2, keepdims=True)).reshape(K, N * M)
    size = np.sqrt((deviation**2).sum(1))
    unit = deviation[size > 0] / size[size > 0, None]
    values, vectors = np.linalg.eigh(unit @ unit.T)  # the law over K alone: nothing the size of draws · N
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    rng = np.random.default_rng(seed)
    largest = np.abs(rng.standard_normal((draws, len(unit))) @ root.T).max(1, initial=0.0)
    if np.isfinite(df):
        largest = largest / np.sqrt(rng.chisquare(df, draws) / df)
    return float(np.quantile(largest, LEVEL))


def prompt_variance(psi_N: Floats) -> tuple[float, float]:
    """Variance of a mean over prompts with influences psi, and its degrees of freedom N - 1."""
    N = len(psi_N)
    return (float(psi_N.var(ddof=1) / N) if N > 1 else np.nan), N - 1


def ratio(
    top: float,
    bottom: float,
    variance_along: Callable[[float], tuple[float, float]],
    bounds: tuple[float, float],
) -> Estimate:
    """top / bottom, with Fieller's interval: all r for which top - r · bottom may be 0.

    `variance_along(r)` gives the variance of top - r · bottom, a quadratic in r, and its degrees of
    freedom. `bottom` must be positive. Where it is not clearly so the interval is all of `bounds`.

    Reference: Fieller 1954.
    """
    value = min(max(top / bottom, bounds[0]), bounds[1])
    at_value, df = variance_along(value)
    (at_0, df_0), (at_1, df_1), (at_minus_1, _) = (variance_along(r) for r in (0.0, 1.0, -1.0))
    df = min(df, df_0, df_1)  # they differ with r, and the interval's ends are other r than the value
    square = (at_1 + at_minus_1) / 2 - at_0
    cross = (at_minus_1 - at_1) / 4
    t = float(stats.t.ppf((1 + LEVEL) / 2, df))
    a, b, c = bottom**2 - t**2 * square, top * bottom - t**2 * cross, top**2 - t**2 * at_0
    lo, hi = bounds
    if a > 0:
        root = np.sqrt(max(b**2 - a * c, 0.0))
        lo, hi = max(lo, (b - root) / a), min(hi, (b + root) / a)
    return Estimate(value, float(np.sqrt(at_value) / bottom), min(float(lo), value), max(float(hi), value))


def crossing(k: Sequence[int], value: Sequence[Estimate | None], first: int | None) -> Estimate | None:
    """k† with the interval of k at which the band of ⟨∇J_k, ∇J_1⟩ first touches 0 and first lies below it.

    `hi` is None where the band never lies wholly below 0. The standard error is the curve's over its slope.
    """
    if first is None:
        return None
    known = [(a, e) for a, e in zip(k, value, strict=True) if e is not None and e.se is not None]
    if not known:
        return Estimate(first, None, None, None)
    lo = next((a for a, e in known if e.lo is not None and e.lo < 0), None)
    hi = next((a for a, e in known if e.hi is not None and e.hi < 0), None)
    values = dict(known)
    se = None
    if first in values and first - 1 in values:
        slope = values[first - 1].value - values[first].value
        se = (values[first].se or 0.0) / slope if slope > 0 else None
    return Estimate(first, se, lo, hi)
