"""Many estimates at once: the arithmetic of `intervals` on arrays. NaN where a member cannot be had."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from acute.measure.intervals import LEVEL

Floats = NDArray[np.float64]
Z = float(stats.norm.ppf((1 + LEVEL) / 2))


class Estimates(NamedTuple):
    """Values with standard errors and 95 % intervals, an entry each."""

    value_N: Floats
    se_N: Floats
    lo_N: Floats
    hi_N: Floats

    def scaled(self, by: float) -> "Estimates":
        """All multiplied by a positive number."""
        return Estimates(*(member * by for member in self))

    def where(self, known_N: NDArray[np.bool_]) -> "Estimates":
        """Unknown in every member but where `known_N`."""
        return Estimates(*(np.where(known_N, member, np.nan) for member in self))

    def some(self, kept: NDArray[Any]) -> "Estimates":
        """The entries that an index or a mask names."""
        return Estimates(*(member[kept] for member in self))

    def as_json(self) -> list[dict[str, float | None] | None]:
        """The form that analysis.json holds; None where there is no value."""
        names = ("value", "se", "lo", "hi")
        columns = [[x if x == x else None for x in member.tolist()] for member in self]  # NaN is not itself
        rows = zip(*columns, strict=True)
        return [None if row[0] is None else dict(zip(names, row, strict=True)) for row in rows]


def from_errors(value_N: Floats, variance_N: Floats, df_N: Floats) -> Estimates:
    """value ± t · se. Without degrees of freedom the error is unknown, not 0."""
    known = np.isfinite(value_N) & np.isfinite(variance_N) & (df_N > 0)
    se = np.where(known, np.sqrt(np.where(known, variance_N, 0)), np.nan)
    reach = np.where(known, stats.t.ppf((1 + LEVEL) / 2, np.where(known, df_N, 1)), np.nan) * se
    return Estimates(value_N, se, value_N - reach, value_N + reach)


def wilson(c_N: Floats, n_N: Floats) -> Estimates:
    """p from c successes in n: c/n, and Wilson's interval. At c = 0 or n the standard error is unknown.

    Reference: Wilson 1927.
    """
    p = c_N / n_N
    centre = (p + Z**2 / (2 * n_N)) / (1 + Z**2 / n_N)
    reach = Z * np.sqrt(p * (1 - p) / n_N + Z**2 / (4 * n_N**2)) / (1 + Z**2 / n_N)
    known = (c_N > 0) & (c_N < n_N)
    se = np.where(known, np.sqrt(p * (1 - p) / np.maximum(n_N - 1, 1)), np.nan)
    return Estimates(p, se, np.maximum(0.0, centre - reach), np.minimum(1.0, centre + reach))


def weights(p: Estimates, value_N: Floats, k: int) -> Estimates:
    """w_k(p) = k (1 - p)^(k-1) of each prompt: `value_N`, with the interval of p mapped through w_k."""
    if k == 1:
        one = np.ones(len(value_N))
        return Estimates(one, 0 * one, one, one)
    lo, hi = (k * (1 - end) ** (k - 1) for end in (p.hi_N, p.lo_N))
    return Estimates(value_N, p.se_N * k * (k - 1) * (1 - p.value_N) ** (k - 2), lo, hi)
