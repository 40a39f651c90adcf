"""One-sided tests and bounds of a mean, corrected for the skewness that rare large changes cause."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from acute.measure.intervals import Bend

Floats = NDArray[np.float64]
ROUNDING = 1e-12  # values in [-1, 1] that differ by less are the same value


class Mean(NamedTuple):
    """An estimated mean of values in [-1, 1], with what its tests need."""

    value: float
    se: float  # 0 where the values have no spread: then the exact bounds below are used
    df: float  # degrees of freedom that se rests on
    skewness: float  # of the mean itself: that of one value over √N
    units: float  # independent values behind the exact bounds; 0: nothing can be said, inf: it is certain

    def mirrored(self) -> "Mean":
        """The mean of the negated values."""
        return self._replace(value=-self.value, skewness=-self.skewness)


def mean_over_prompts(values_N: Floats) -> Mean:
    """The mean of the distribution that N independent prompts were drawn from: t with N - 1."""
    N, value = len(values_N), float(values_N.mean())
    spread = values_N - value
    square = float((spread**2).mean())
    if N < 2 or np.ptp(values_N) < ROUNDING:
        return Mean(value, 0.0, np.inf, 0.0, N)
    skewness = float((spread**3).mean()) / square**1.5 / N**0.5
    return Mean(value, (square / (N - 1)) ** 0.5, N - 1, skewness, N)


def mean_of_these(values_N: Floats, variance_N: Floats, df_N: Floats) -> Mean:
    """The mean over exactly these prompts, whose values have known-to-be-independent errors.

    Degrees of freedom: Satterthwaite's. Skewness is taken as 0: the error is a sum over all rollouts.
    """
    total = float(variance_N.sum())
    value = float(values_N.mean())
    if total < ROUNDING**2:
        return Mean(value, 0.0, np.inf, 0.0, 0)
    df = total**2 / float((variance_N**2 / df_N).sum())
    return Mean(value, total**0.5 / len(values_N), df, 0.0, 0)


def certain(values_N: Floats) -> Mean:
    """The mean over exactly these prompts, whose values are known without error."""
    return Mean(float(values_N.mean()), 0.0, np.inf, 0.0, np.inf)


def hall(t: float, skewness: float) -> float:
    """Hall's monotone cubic of a t statistic: closer to symmetric where the mean's skewness is given.

    >>> round(hall(2.0, -0.1), 4)  # a long left tail makes large t less surprising
    1.853

    Reference: Hall 1992, "On the removal of skewness by transformation", JRSS B 54, with t = √N T and the
    skewness of the mean in place of γ / √N.
    """
    return Bend(skewness / 6, skewness / 3).straight(t)


def hall_inverse(y: float, skewness: float) -> float:
    """The t at which `hall` is y."""
    return Bend(skewness / 6, skewness / 3).bent(y)


def p_value_above(mean: Mean, null: float) -> float:
    """p-value of the hypothesis that the true mean is ≤ null: the larger of Student's and Hall's.

    Without any spread it is exact: N equal values v, all at least -1, have probability at most
    ((null + 1) / (v + 1))^N under a mean of null < v.
    """
    if mean.se == 0:
        return float(((null + 1) / (mean.value + 1)) ** mean.units) if mean.value > null else 1.0
    t = (mean.value - null) / mean.se
    return float(special.stdtr(mean.df, -min(t, hall(t, mean.skewness))))


def lower_bound(mean: Mean, alpha: float) -> float:
    """The mean's one-sided 1 - alpha lower bound: the null at which `p_value_above` is alpha.

    Without any spread: (v + 1) alpha^(1/N) - 1, what N equal values leave possible.
    """
    if mean.se == 0:
        return (mean.value + 1) * (alpha ** (1 / mean.units) if mean.units else 0.0) - 1
    y = float(special.stdtrit(mean.df, 1 - alpha))
    return max(-1.0, mean.value - max(y, hall_inverse(y, mean.skewness)) * mean.se)


def upper_bound(mean: Mean, alpha: float) -> float:
    """The mean's one-sided 1 - alpha upper bound."""
    return -lower_bound(mean.mirrored(), alpha)


def p_value_below(mean: Mean, null: float) -> float:
    """p-value of the hypothesis that the true mean is ≥ null; > null where it is certain, so that one of the
    two p-values is 0."""
    if mean.units == np.inf:
        return 1.0 - p_value_above(mean, null)
    return p_value_above(mean.mirrored(), -null)


def holm(p_S: Floats) -> Floats:
    """Holm's adjusted p-values: those ≤ alpha hold together, wrong anywhere at most alpha of the time.

    Valid under any dependence. Reference: Holm 1979.

    >>> holm(np.array([0.01, 0.04, 0.03])).round(4).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_S, kind="stable")
    stepped = np.maximum.accumulate(p_S[order] * np.arange(len(p_S), 0, -1))
    adjusted = np.empty(len(p_S))
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
