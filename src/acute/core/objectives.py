"""Objectives of one prompt's success probability p: J_f = E_prompts[f(p)], whose gradient is E[f'(p) ∇p].

Every statement about the conflict of pass@k with pass@1 holds for any f once w_k is replaced by f'.

What n responses can say without bias is settled by algebra: the mean of any function of the count
c ~ Binomial(n, p) is a polynomial in p of degree n at most, and c is complete. So f (or f') has an
unbiased estimate if and only if it is such a polynomial, and then exactly one that is a function of c.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import comb, exp, isfinite

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
    """The terms of f' from those of f; like terms are collected, so that sums telescope exactly."""
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


def _polynomial(name: str, terms: Terms) -> Objective:
    terms = {powers: x for powers, x in terms.items() if x}  # a zero term would ask for its responses

    def evaluate(form: Terms) -> Callable[[ArrayLike], Floats]:
        def at(p: ArrayLike) -> Floats:
            p = np.asarray(p, float)
            return np.asarray(sum(x * p**a * (1 - p) ** b for (a, b), x in form.items()) + 0 * p)

        return at

    return Objective(name, evaluate(terms), evaluate(derivative(terms)), terms)


def _transform(name: str, value: Callable[[Floats], Floats], weight: Callable[[Floats], Floats]) -> Objective:
    def guarded(f: Callable[[Floats], Floats]) -> Callable[[ArrayLike], Floats]:
        def at(p: ArrayLike) -> Floats:
            with np.errstate(divide="ignore"):  # infinite at p = 0 or 1 is the right answer there
                return np.asarray(f(np.asarray(p, float)))

        return at

    return Objective(name, guarded(value), guarded(weight))


def _positive(what: str, number: int) -> int:
    if number < 1 or number != int(number):
        raise ConfigError(f"{what} must be a whole number of 1 or more, found {number}")
    return int(number)


def pass_at_k(k: int) -> Objective:
    """1 - (1-p)**k: at least one of k responses is right. Weight k (1-p)**(k-1), on hard prompts.

    Reference: arXiv 2602.21189, eqs. 2-3.
    """
    k = _positive("k of pass@k", k)
    return _polynomial(f"pass@{k}", {(0, 0): 1.0, (0, k): -1.0})


def pass_all_k(k: int) -> Objective:
    """p**k ("pass^k"): all of k responses are right. Weight k p**(k-1), on easy prompts."""
    k = _positive("k of pass^k", k)
    return _polynomial(f"pass^{k}", {(k, 0): 1.0})


def at_least(m: int, k: int) -> Objective:
    """P(Bin(k, p) >= m): at least m of k responses are right.

    Weight k C(k-1, m-1) p**(m-1) (1-p)**(k-m), largest at p = (m-1)/(k-1).
    """
    k, m = _positive("k of m-of-k", k), _positive("m of m-of-k", m)
    if m > k:
        raise ConfigError(f"m of m-of-k must be at most k = {k}, found {m}")
    return _polynomial(f"{m}-of-{k}", _at_least_terms(m, k))


def _at_least_terms(m: int, k: int) -> Terms:
    return {(j, k - j): float(comb(k, j)) for j in range(m, k + 1)}


def majority(k: int) -> Objective:
    """The right answer wins a vote of k (odd) against a single wrong one: at least (k+1)/2 of k.

    With several wrong answers the vote is no function of p alone.
    """
    k = _positive("k of a majority", k)
    if k % 2 == 0:
        raise ConfigError(f"k of a majority must be odd (an even vote can tie), found {k}")
    return _polynomial(f"majority@{k}", _at_least_terms((k + 1) // 2, k))


def mixture(share: float, k: int) -> Objective:
    """share · J_1 + (1 - share) · J_k, with a share in [0, 1]."""
    if not 0 <= share <= 1:
        raise ConfigError(f"the share of pass@1 in a mixture must be in [0, 1], found {share}")
    k = _positive("k of a mixture", k)
    both = {(1, 0): share, (0, 0): 1 - share, (0, k): share - 1}
    return _polynomial(f"mixture@{share:g},{k}", both)


def truncated_log(terms: int) -> Objective:
    """The first T terms of log p in powers of 1 - p: -Σ_{j<=T} (1-p)**j / j.

    Weight Σ_{j<=T} (1-p)**(j-1) = (1 - (1-p)**T) / p: hard prompts, bounded by T.

    Reference: MaxRL, arXiv 2602.02710.
    """
    t = _positive("T of a truncated log", terms)
    return _polynomial(f"log@{t}", {(0, j): -1.0 / j for j in range(1, t + 1)})


def log_likelihood() -> Objective:
    """log p, with weight 1/p: the likelihood of being right. Reference: MaxRL, arXiv 2602.02710."""
    return _transform("log", np.log, lambda p: 1 / p)


def arcsine() -> Objective:
    """2 arcsin √p, with weight 1/√(p(1-p)): what std-normalised GRPO ascends as n grows."""
    return _transform("arcsine", lambda p: 2 * np.arcsin(np.sqrt(p)), lambda p: 1 / np.sqrt(p * (1 - p)))


def log_odds() -> Objective:
    """log(p / (1-p)), with weight 1/(p(1-p)): both ends, and not concave."""
    return _transform("logit", lambda p: np.log(p) - np.log1p(-p), lambda p: 1 / (p * (1 - p)))


def risk_sensitive(beta: float) -> Objective:
    """(1/β) log E[exp(β r)] = (1/β) log(1 + p (e^β - 1)); β > 0 favours hard prompts, β < 0 easy ones.

    Reference: RS-GRPO, arXiv 2509.24261.
    """
    if beta == 0 or not isfinite(beta):
        raise ConfigError(f"beta must be finite and not 0 (its limit at 0 is pass@1), found {beta}")
    gain = exp(beta) - 1
    return _transform(
        f"risk@{beta:g}", lambda p: np.log1p(p * gain) / beta, lambda p: gain / (beta * (1 + p * gain))
    )


def power(alpha: float) -> Objective:
    """p**α / α with weight p**(α-1): hard prompts for α < 1, easy ones for α > 1."""
    if alpha == 0 or not isfinite(alpha):
        raise ConfigError(f"alpha must be finite and not 0 (its limit at 0 is log), found {alpha}")
    name = f"power@{alpha:g}"
    if alpha == int(alpha) and alpha > 0:
        return _polynomial(name, {(int(alpha), 0): 1 / alpha})
    return _transform(name, lambda p: p**alpha / alpha, lambda p: p ** (alpha - 1))


_NAMED: dict[str, Callable[[str], Objective]] = {  # what stands before "@": how to read what follows
    "pass": lambda x: pass_at_k(int(x)),
    "majority": lambda x: majority(int(x)),
    "log": lambda x: truncated_log(int(x)),
    "risk": lambda x: risk_sensitive(float(x)),
    "power": lambda x: power(float(x)),
    "mixture": lambda x: mixture(float(x.split(",")[0]), int(x.split(",")[1])),
}
_PLAIN = {"log": log_likelihood, "arcsine": arcsine, "logit": log_odds}


def parse(name: str) -> Objective:
    """The objective of a name: the same names that `Objective.name` carries.

    pass@8, pass^8, 3-of-5, majority@7, log, log@16, arcsine, logit, risk@2, power@0.5, mixture@0.3,8.
    Raises ConfigError for any other.

    >>> float(parse("3-of-5").weight(0.5))  # 5 · C(4, 2) / 2**4
    1.875
    """
    head, at, rest = name.partition("@")
    try:
        if at and head in _NAMED:
            return _NAMED[head](rest)
        if name.startswith("pass^"):
            return pass_all_k(int(name[5:]))
        if "-of-" in name:
            m, _, k = name.partition("-of-")
            return at_least(int(m), int(k))
    except (ValueError, IndexError):
        pass  # not the numbers that the name asks for: the refusal below says what is wanted
    if name in _PLAIN:
        return _PLAIN[name]()
    raise ConfigError(
        "wanted an objective (pass@K, pass^K, M-of-K, majority@K, log, log@T, arcsine, logit, risk@BETA, "
        f"power@ALPHA, mixture@SHARE,K), found {name!r}"
    )
