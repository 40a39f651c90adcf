"""What an objective is: f, f', and the unbiased estimates of both where they exist.

What n responses can say without bias is settled by algebra: the mean of any function of the count
c ~ Binomial(n, p) is a polynomial in p of degree n at most, and c is complete. So f (or f') has an
unbiased estimate if and only if it is such a polynomial, and then exactly one that is a function of c.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from acute.errors import ConfigError

Floats = NDArray[np.float64]
Terms = dict[tuple[int, int], float]  # {(a, b): coefficient of p**a (1 - p)**b}


def estimate_monomial(n: ArrayLike, c: ArrayLike, a: int, b: int) -> Floats:
    """Estimate p**a (1 - p)**b: the chance that of a + b responses the first a are right, the others wrong.

    The share of ordered draws without replacement from n responses, c of them right, that do so.
    Unbiased; broadcasts over prompts. NaN where n < a + b: no unbiased estimate exists.

    >>> float(estimate_monomial(n=4, c=2, a=1, b=1))  # 2/4 right first, then 2/3 wrong
    0.3333333333333333

    Reference: the U-statistic that Chen et al. 2021 (arXiv:2107.03374, eq. 1) use for a = 0.
    """
    n, c = np.asarray(n, float), np.asarray(c, float)
    share = np.ones(np.broadcast(n, c).shape)
    for j in range(a):
        share = share * np.maximum(c - j, 0) / np.maximum(n - j, 1)
    for j in range(b):
        share = share * np.maximum(n - c - j, 0) / np.maximum(n - a - j, 1)
    return np.where(n < a + b, np.nan, share)


def derivative(terms: Terms) -> Terms:
    """The terms of f' from those of f; like terms are collected, so that sums telescope exactly.

    Reference: The weight f' that takes the place of w_k in eq. 3.
    """
    out: Terms = {}
    for (a, b), x in terms.items():
        if a:
            out[a - 1, b] = out.get((a - 1, b), 0.0) + a * x
        if b:
            out[a, b - 1] = out.get((a, b - 1), 0.0) - b * x
    return {power: x for power, x in out.items() if x}


@dataclass(frozen=True)
class Objective:
    """f and f' of one objective, and the unbiased estimates of both where they exist.

    `terms` holds f as a polynomial; None where f is none, and then no unbiased estimate exists.
    """

    name: str
    value: Callable[[ArrayLike], Floats]
    weight: Callable[[ArrayLike], Floats]
    terms: Terms | None = None

    @property
    def polynomial(self) -> Terms:
        """f as {(a, b): coefficient of p**a (1-p)**b}. ConfigError where f is no polynomial."""
        if self.terms is None:
            raise ConfigError(
                f"no unbiased estimate of the objective {self.name!r} exists at any n: wanted a polynomial "
                "in p, all that finitely many responses can average to; truncate it, or accept a bias"
            )
        return self.terms

    @property
    def responses_needed(self) -> int:
        """Responses of one prompt that an unbiased estimate of the gradient f'(p) ∇p needs: degree + 1."""
        return 1 + max(a + b for a, b in derivative(self.polynomial))

    def estimate_value(self, n: ArrayLike, c: ArrayLike) -> Floats:
        """Unbiased estimate of f(p), shape of n and c; NaN where n is too small.

        Raises ConfigError where no n is enough.
        """
        return _sum_of(self.polynomial, n, c)

    def estimate_weight(self, n: ArrayLike, c: ArrayLike) -> Floats:
        """Unbiased estimate of f'(p), shape of n and c; NaN where n is too small.

        Raises ConfigError where no n is enough. To multiply it by a response's own gradient, count n and c
        without that response.
        """
        return _sum_of(derivative(self.polynomial), n, c)

    def advantages(self, n: ArrayLike, c: ArrayLike) -> tuple[Floats, Floats]:
        """Advantages (of a success, of a failure) whose mean with the scores estimates f'(p) ∇p, unbiased.

        f'(p) and the baseline of response i are both counted over the other n - 1 responses. NaN where
        n < `responses_needed` or n < 2; a success's value is meaningless (and finite) at c = 0, a failure's
        at c = n: no response carries it. Raises ConfigError where no n is enough.
        """
        n, c = np.asarray(n, float), np.asarray(c, float)
        lone, others = n < 2, np.maximum(n - 1, 1)
        fewer, more = np.maximum(c - 1, 0), np.minimum(c, others)
        success = self.estimate_weight(others, fewer) * (1 - fewer / others)
        failure = -self.estimate_weight(others, more) * more / others
        return np.where(lone, np.nan, success), np.where(lone, np.nan, failure)


def _sum_of(terms: Terms, n: ArrayLike, c: ArrayLike) -> Floats:
    parts = [x * estimate_monomial(n, c, a, b) for (a, b), x in terms.items()]
    return np.asarray(np.sum(np.broadcast_arrays(*parts), axis=0))


def polynomial(name: str, terms: Terms) -> Objective:
    """The objective whose f is a polynomial, {(a, b): coefficient of p**a (1-p)**b}; f' follows from it.

    Reference: Eq. 2 with f in place of 1 - (1-p)^k.
    """
    terms = {powers: x for powers, x in terms.items() if x}  # a zero term would ask for its responses

    def evaluate(form: Terms) -> Callable[[ArrayLike], Floats]:
        def at(p: ArrayLike) -> Floats:
            p = np.asarray(p, float)
            return np.asarray(sum(x * p**a * (1 - p) ** b for (a, b), x in form.items()) + 0 * p)

        return at

    return Objective(name, evaluate(terms), evaluate(derivative(terms)), terms)


def transform(name: str, value: Callable[[Floats], Floats], weight: Callable[[Floats], Floats]) -> Objective:
    """The objective of any other f, given f and f': no number of responses estimates it without bias.

    Reference: Eq. 2 with f in place of 1 - (1-p)^k.
    """

    def guarded(f: Callable[[Floats], Floats]) -> Callable[[ArrayLike], Floats]:
        def at(p: ArrayLike) -> Floats:
            with np.errstate(divide="ignore"):  # infinite at p = 0 or 1 is the right answer there
                return np.asarray(f(np.asarray(p, float)))

        return at

    return Objective(name, guarded(value), guarded(weight))
