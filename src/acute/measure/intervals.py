"""95 % intervals: Student's t with the degrees of freedom that the error itself was estimated from.

Where an estimate and its error rise together, t is bent first (`Bend`), so that the interval reaches further
on the side where the truth is then missed.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from acute.core.estimate import Estimate

Floats = NDArray[np.float64]
LEVEL = 0.95
FEWEST = 3  # prompts that tell how much pairs of them differ


class Bend(NamedTuple):
    """How the law of t = (estimate - truth) / se departs from the normal.

    P(t ≤ x) = Φ(x) + φ(x)(a + b x²).
    """

    a: float
    b: float

    def straight(self, t: float) -> float:
        """t on a scale where it is nearly normal: the monotone cubic whose expansion is a + b t².

        Reference: Hall 1992, "On the removal of skewness by transformation", JRSS B 54.
        """
        return t + self.a + self.b * t**2 + self.b**2 * t**3 / 3

    def bent(self, y: float) -> float:
        """The t at which `straight` is y."""
        if abs(self.b) < 1e-9:
            return y - self.a
        return (float(np.cbrt(1 + 3 * self.b * (y - self.a))) - 1) / self.b


UNBENT = Bend(0.0, 0.0)


def bend(psi_N: Floats, interaction: float = 0.0) -> Bend:
    """Of a mean with influences psi; `interaction` is E[ψ ψ' h] of an estimate that is quadratic (or 0).

    With γ the skewness of the mean and e = E[ψ ψ' h] / (σ³ √N): a = γ/6 + e, b = γ/3 + e.

    Reference: Helmers 1991, Ann. Statist. 19, the Edgeworth expansion of a studentised U-statistic.
    """
    size = float((psi_N**2).mean()) ** 1.5 * len(psi_N) ** 0.5
    if not size > 0:
        return UNBENT
    skewness, together = float((psi_N**3).mean()) / size, interaction / size
    return Bend(skewness / 6 + together, skewness / 3 + together)


def reaches(df: float, of: Bend = UNBENT) -> tuple[float, float]:
    """How many standard errors the 95 % interval reaches below and above the estimate."""
    t = float(special.stdtrit(df, (1 + LEVEL) / 2))
    return of.bent(t), -of.bent(-t)


def from_error(
    value: float, se: float, df: float, bounds: tuple[float, float] | None = None, of: Bend = UNBENT
) -> Estimate:
    """value ± t · se, cut to `bounds` if given. Without degrees of freedom the error is unknown, not 0."""
    if not np.isfinite(value):
        raise ValueError(f"wanted a finite value, found {value}")
    if not (np.isfinite(se) and df > 0):
        return Estimate(float(value), None, None, None)
    below, above = reaches(df, of)
    lo, hi = value - max(below, 0.0) * se, value + max(above, 0.0) * se  # bent far, t may not reach back to 0
    if bounds is not None:
        lo, hi = max(lo, bounds[0]), min(hi, bounds[1])
    return Estimate(float(value), float(se), float(lo), float(hi))


def p_value_negative(estimate: Estimate, df: float, of: Bend = UNBENT) -> float | None:
    """One-sided p-value of the hypothesis that the true value is ≥ 0; None where the error is unknown."""
    if not estimate.se:
        return None
    return float(special.stdtr(df, of.straight(estimate.value / estimate.se)))


def fold_variance(deviation_NM: Floats) -> tuple[float, float]:
    """Variance of an estimate to whose error every fold adds so much, and its degrees of freedom.

    Squares of the folds' deviations, prompts independent.
    """
    variance_N = (deviation_NM**2).sum(1)
    total, squares = variance_N.sum(), (variance_N**2).sum()
    return float(total), float(degrees_of_freedom(total, squares, deviation_NM.shape[1]))


def degrees_of_freedom(total: ArrayLike, squares: ArrayLike, M: int) -> Floats:
    """Satterthwaite's, of sums of variances v that rest on M folds each: `total` = Σv, `squares` = Σv².

    With d = M - 1 of them in each prompt, f = (Σv)²/Σv² understates the number of prompts that matter (it is
    (N + 2/d) / (1 + 2/d) for N equal ones); solved for N and times d that is (d + 2) f - 2: d if one prompt
    makes all the noise, d N if all make the same. Without any noise there is no end to them.
    """
    total, squares = np.asarray(total, float), np.asarray(squares, float)
    alike = np.divide(total**2, squares, out=np.full(np.shape(squares), np.inf), where=squares != 0)
    return np.asarray((M + 1) * alike - 2)


def moderated(own_N: Floats, M: int) -> tuple[Floats, float]:
    """Variances of single prompts that rest on M folds each, drawn towards their mean; degrees of freedom.

    The true variances are taken as scaled inverse chi-squares with d₀ degrees of freedom, where
    4 + 2/τ² = d₀ and τ is how much they differ, in units of their mean, beyond what M folds alone make them
    differ. Prompts alike lend each other their degrees of freedom; very different ones lend few.

    Reference: Smyth 2004, the moderated t, with the mean kept where it shrinks it: a little conservative.
    """
    d, mean = M - 1, float(own_N.mean())
    if not mean > 0:
        return own_N, np.inf
    spread = (float(((own_N / mean) ** 2).mean()) / (1 + 2 / d)) - 1
    prior = 4 + 2 / max(spread, 1 / 50)
    return (d * own_N + prior * mean) / (d + prior), d + prior


def simultaneous_reach(deviation_KNM: Floats, df: float, seed: int, draws: int = 40_000) -> float:
    """How many standard errors a 95 % band over all k must reach, where each k alone needs Student's t.

    The largest of |error_k| / se_k over k, with the errors' joint law taken from the folds' deviations
    (Gaussian multipliers) and `df` degrees of freedom in the standard errors. K curves, N prompts, M folds.

    Reference: sup-t bands, Montiel Olea & Plagborg-Møller 2019.
    """
    K, N, M = deviation_KNM.shape
    deviation = deviation_KNM.reshape(K, N * M)
    size = np.sqrt((deviation**2).sum(1))
    unit = deviation[size > 0] / size[size > 0, None]
    values, vectors = np.linalg.eigh(unit @ unit.T)  # the law over K alone: nothing the size of draws · N
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    rng = np.random.default_rng(seed)
    largest = np.abs(rng.standard_normal((draws, len(unit))) @ root.T).max(1, initial=0.0)
    if np.isfinite(df):
        largest = largest / np.sqrt(rng.chisquare(df, draws) / df)
    return max(float(np.quantile(largest, LEVEL)), reaches(df)[1])  # no narrower than one k's alone


def prompt_variance(psi_N: Floats) -> tuple[float, float]:
    """Variance of a mean over prompts with influences psi, and its degrees of freedom N - 1."""
    N = len(psi_N)
    return (float(psi_N.var(ddof=1) / N) if N > 1 else np.nan), N - 1


def pair_variance(psi_N: Floats) -> tuple[float, float]:
    """The same of a mean over pairs of prompts; NaN for two, whose one pair is in both influences."""
    variance, df = prompt_variance(psi_N)
    return (variance if len(psi_N) >= FEWEST else np.nan), df


def ratio(
    top: float,
    bottom: float,
    variance_along: Callable[[float], tuple[float, float]],
    bounds: tuple[float, float],
    too_large: float = 0.0,
    of: Bend = UNBENT,
) -> Estimate:
    """top / bottom, with Fieller's interval: all r for which top - r · bottom may be 0.

    `variance_along(r)` gives the variance of top - r · bottom, a quadratic in r, and its degrees of
    freedom. `bottom` must be positive. Where it is not clearly so the interval is all of `bounds`.
    `too_large` is by what share the mean of top / bottom exceeds the truth; it is taken off, and the interval
    reaches from where it would end with that to where it would end without: its own error is not known.

    Reference: Fieller 1954.
    """
    lo, hi = bounds
    value = min(max(top / bottom / (1 + too_large), lo), hi)
    at_value, df = variance_along(value)
    (at_0, df_0), (at_1, df_1), (at_minus_1, _) = (variance_along(r) for r in (0.0, 1.0, -1.0))
    df = min(df, df_0, df_1)  # they differ with r, and the interval's ends are other r than the value
    square = (at_1 + at_minus_1) / 2 - at_0
    cross = (at_minus_1 - at_1) / 4
    se = float(np.sqrt(at_value) / bottom)
    reach = reaches(df, of)
    if bottom**2 <= max(reach[0] ** 2, reach[1] ** 2) * square:
        return Estimate(value, se, lo, hi)
    ends = []
    for larger in (bottom, bottom * (1 + too_large)):
        for sign, t in zip((-1, 1), reach, strict=True):
            a, b, c = larger**2 - t**2 * square, top * larger - t**2 * cross, top**2 - t**2 * at_0
            ends.append(float(b + sign * np.sign(t) * np.sqrt(max(b**2 - a * c, 0.0))) / a)
    lo, hi = max(lo, min(ends[0], ends[2])), min(hi, max(ends[1], ends[3]))
    return Estimate(value, se, min(lo, value), max(hi, value))


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
