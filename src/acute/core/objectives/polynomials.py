"""Objectives that are polynomials in p: those that finitely many responses can estimate without bias."""

from math import comb

from acute.core.objectives.objective import Objective, Terms, polynomial
from acute.errors import ConfigError


def _positive(what: str, number: int) -> int:
    if number < 1 or number != int(number):
        raise ConfigError(f"{what} must be a whole number of 1 or more, found {number}")
    return int(number)


def pass_at_k(k: int) -> Objective:
    """1 - (1-p)**k: at least one of k responses is right. Weight k (1-p)**(k-1), on hard prompts.

    Reference: arXiv 2602.21189, eqs. 2-3.
    """
    k = _positive("k of pass@k", k)
    return polynomial(f"pass@{k}", {(0, 0): 1.0, (0, k): -1.0})


def pass_all_k(k: int) -> Objective:
    """p**k ("pass^k"): all of k responses are right. Weight k p**(k-1), on easy prompts.

    Reference: pass^k of τ-bench, arXiv:2406.12045; weight as eq. 3 for f = p^k.
    """
    k = _positive("k of pass^k", k)
    return polynomial(f"pass^{k}", {(k, 0): 1.0})


def at_least(m: int, k: int) -> Objective:
    """P(Bin(k, p) >= m): at least m of k responses are right.

    Weight k C(k-1, m-1) p**(m-1) (1-p)**(k-m), largest at p = (m-1)/(k-1).

    Reference: Eq. 3 for f = P(Bin(k, p) >= m).
    """
    k, m = _positive("k of m-of-k", k), _positive("m of m-of-k", m)
    if m > k:
        raise ConfigError(f"m of m-of-k must be at most k = {k}, found {m}")
    return polynomial(f"{m}-of-{k}", _at_least_terms(m, k))


def _at_least_terms(m: int, k: int) -> Terms:
    return {(j, k - j): float(comb(k, j)) for j in range(m, k + 1)}


def majority(k: int) -> Objective:
    """The right answer wins a vote of k (odd) against a single wrong one: at least (k+1)/2 of k.

    With several wrong answers the vote is no function of p alone.

    Reference: Eq. 3 for a majority vote; m = (k+1)/2 of k.
    """
    k = _positive("k of a majority", k)
    if k % 2 == 0:
        raise ConfigError(f"k of a majority must be odd (an even vote can tie), found {k}")
    return polynomial(f"majority@{k}", _at_least_terms((k + 1) // 2, k))


def mixture(share: float, k: int) -> Objective:
    """share · J_1 + (1 - share) · J_k, with a share in [0, 1].

    Reference: Eq. 2, linear in the objective: f' = λ + (1-λ) w_k.
    """
    if not 0 <= share <= 1:
        raise ConfigError(f"the share of pass@1 in a mixture must be in [0, 1], found {share}")
    k = _positive("k of a mixture", k)
    both = {(1, 0): share, (0, 0): 1 - share, (0, k): share - 1}
    return polynomial(f"mixture@{share:g},{k}", both)


def truncated_log(terms: int) -> Objective:
    """The first T terms of log p in powers of 1 - p: -Σ_{j<=T} (1-p)**j / j.

    Weight Σ_{j<=T} (1-p)**(j-1) = (1 - (1-p)**T) / p: hard prompts, bounded by T.

    Reference: MaxRL, arXiv 2602.02710.
    """
    t = _positive("T of a truncated log", terms)
    return polynomial(f"log@{t}", {(0, j): -1.0 / j for j in range(1, t + 1)})
