"""The weight W(p) that an advantage estimator really puts on a prompt's ∇p, by exact enumeration.

For rewards 0 and 1, E[(1/n) Σ A_i ∇ log π(y_i)] = W(p) ∇p for any model, with

    W(p) = E[A | right] - E[A | wrong] = Σ_c Bin(c; n-1, p) · D(c),   D(c) = A₊(c + 1) - A₋(c),

c counting the successes among the other n - 1 responses: E[∇ log π | right] = ∇p/p and
E[∇ log π | wrong] = -∇p/(1-p), so the p's cancel and nothing is singular at the ends. W is thus the
polynomial with Bernstein coefficients D of degree n - 1. An estimator is unbiased for f if and only if
f' is that polynomial: W = f' for all p is the same as D(c) = the one unbiased estimate of f' from n - 1
responses, c of them right. Estimators that are unbiased for the same f differ in how they split D between
A₊ and A₋, in variance that is, and in nothing else.

On-policy, first step, no clipping; length normalisation is `length_weighted`.
"""

from collections.abc import Callable
from math import comb, lgamma
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from acute.core.objectives import Objective, estimate_monomial
from acute.errors import InputError

Floats = NDArray[np.float64]
Advantage = Callable[[Floats], Any]


class OutcomeAdvantages(NamedTuple):
    """Advantages by outcome, each of shape (n + 1,), indexed by c, the number of successes of the group.

    `success[0]` and `failure[n]` are 0: no response carries them.
    """

    success: Floats
    failure: Floats

    @property
    def n(self) -> int:
        """Group size."""
        return len(self.success) - 1

    @property
    def difference(self) -> Floats:
        """D(c) = A₊(c + 1) - A₋(c) for c = 0..n-1 successes among the others, shape (n,)."""
        return self.success[1:] - self.failure[:-1]


def binomial(n: int, p: ArrayLike) -> Floats:
    """Bin(c; n, p) for c = 0..n, shape (*p.shape, n + 1). In logarithms: no overflow at any n.

    Not in the paper: the law of the count c that every mean over groups here is taken in.
    """
    p = np.asarray(p, float)[..., None]
    c = np.arange(n + 1)
    choose = np.array([lgamma(n + 1) - lgamma(j + 1) - lgamma(n - j + 1) for j in c])
    with np.errstate(divide="ignore", invalid="ignore"):
        wins = np.where(c == 0, 0.0, c * np.log(p))
        losses = np.where(c == n, 0.0, (n - c) * np.log1p(-p))
    return np.asarray(np.exp(choose + wins + losses))


def ask(advantage: Advantage, groups: Floats) -> Floats:
    """The advantages of groups (…, n) as a float64 array; InputError unless finite and of that shape.

    Not in the paper: what an estimator given by a user must return.
    """
    found = advantage(groups.copy())
    try:
        values = np.asarray(found)
        if np.iscomplexobj(values):
            raise InputError("an advantage estimator must return real numbers, found complex ones")
        answer = values.astype(float)
    except (TypeError, ValueError, RuntimeError) as error:  # RuntimeError: a tensor that needs a gradient
        raise InputError(
            f"an advantage estimator must return numbers, found {type(found).__name__}"
        ) from error
    if answer.shape != groups.shape:
        raise InputError(
            f"an advantage estimator must return the rewards' shape, {groups.shape}, found {answer.shape}"
        )
    if not np.isfinite(answer).all():
        row = groups[~np.isfinite(answer).all(-1)][0]
        raise InputError(f"an advantage estimator must return finite numbers, found others for rewards {row}")
    return answer


def check_estimator(advantage: Advantage, groups: Floats, seed: int = 0) -> None:
    """Refuse what has no prompt weight. `groups` are rewards (G, n) to try it on.

    InputError if the shape is wrong, a value is not finite, the answer depends on the order of a group's
    responses or on the other groups of the batch, or differs from call to call.

    Reference: W(p) exists for what acts on each group alone and does not look at the order. (Ours.)
    """
    answer = ask(advantage, groups)
    slack = 1e-9 * (1 + np.abs(answer).max())
    if np.abs(ask(advantage, groups) - answer).max() > slack:
        raise InputError("an advantage estimator must not be random: two calls on the same rewards differ")
    order = np.random.default_rng(seed).permutation(groups.shape[-1])
    if np.abs(ask(advantage, groups[:, order]) - answer[:, order]).max() > slack:
        raise InputError(
            "an advantage estimator must not depend on the order of the responses, found that it does"
        )
    alone = np.concatenate([ask(advantage, row[None]) for row in groups])
    if np.abs(alone - answer).max() > slack:
        raise InputError(
            "a group's advantages must not depend on the other groups of the batch, found that they do"
        )


def binary_groups(n: int) -> Floats:
    """The n + 1 groups of rewards 0 and 1 up to order, row c with c successes first, shape (n + 1, n).

    Reference: Rewards in {0, 1}, section 2; the groups over which W(p) is summed.
    """
    return (np.arange(n) < np.arange(n + 1)[:, None]).astype(float)


def outcome_advantages(advantage: Advantage, n: int) -> OutcomeAdvantages:
    """A₊(c) and A₋(c) of an estimator (rewards (G, n) in, advantages out) for groups of n.

    InputError where `check_estimator` refuses it.

    Reference: A₊(c), A₋(c) of the identity W(p) = (1/n) E[c A₊/p - (n-c) A₋/(1-p)]. (Ours.)
    """
    check_estimator(advantage, binary_groups(n))
    return asked_advantages(advantage, n)


def asked_advantages(advantage: Advantage, n: int) -> OutcomeAdvantages:
    """`outcome_advantages` of an estimator that `check_estimator` has passed already: one call of it.

    Reference: A₊(c), A₋(c) of the identity for W(p). (Ours.)
    """
    groups = binary_groups(n)
    answer = ask(advantage, groups)
    success = np.where(groups.any(-1), answer[:, 0], 0.0)
    failure = np.where(groups.all(-1), 0.0, answer[:, -1])
    return OutcomeAdvantages(success, failure)


def prompt_weight(advantages: OutcomeAdvantages, p: ArrayLike) -> Floats:
    """W(p), the shape of p: what the expected update puts on ∇p.

    Reference: W(p) = (1/n) E[c A₊/p - (n-c) A₋/(1-p)], from E[s|r=1] = ∇p/p (eq. 4). (Ours; the idea that an
    advantage is a weight on prompts: arXiv:2510.23049.)
    """
    return np.asarray(binomial(advantages.n - 1, p) @ advantages.difference)


def length_weighted(advantages: OutcomeAdvantages, p: ArrayLike, right: Floats, wrong: Floats) -> Floats:
    """W(p) when each response's gradient is divided by its length, `right` or `wrong` tokens at that p.

    E[A | right]/right - E[A | wrong]/wrong: exact where length depends on prompt and outcome alone. Unlike
    W it changes when a constant is added to all advantages of a group.

    Reference: The same identity with each score divided by its length (GRPO, arXiv:2402.03300). (Ours.)
    """
    others = binomial(advantages.n - 1, p)
    return np.asarray(others @ advantages.success[1:] / right - others @ advantages.failure[:-1] / wrong)


def signal_probability(advantages: OutcomeAdvantages, p: ArrayLike, tolerance: float = 1e-9) -> Floats:
    """The chance that a group has an advantage other than 0, the shape of p.

    Reference: 1 - P(c = 0 or n) for centred methods; DAPO, arXiv:2503.14476, filters by it.
    """
    size = np.maximum(np.abs(advantages.success), np.abs(advantages.failure))
    return np.asarray(binomial(advantages.n, p) @ (size > tolerance).astype(float))


def second_moment(advantages: OutcomeAdvantages, p: ArrayLike) -> Floats:
    """E[A²] of one response, the shape of p: the noise that n responses' many score directions bring.

    Reference: Noise beside W(p): E over c of the mean square advantage. (Ours.)
    """
    share = np.arange(advantages.n + 1) / advantages.n
    return np.asarray(
        binomial(advantages.n, p) @ (share * advantages.success**2 + (1 - share) * advantages.failure**2)
    )


def weight_variance(advantages: OutcomeAdvantages, p: ArrayLike) -> Floats:
    """n times the variance of one group's estimate of W(p), p inside (0, 1); the shape of p.

    For the policy with one parameter, the logit of p: its score is r - p, its ∇p is p(1-p), and the group's
    estimate is (1/n)(c A₊ (1-p) - (n-c) A₋ p) / (p(1-p)).

    Reference: Variance along ∇p of the identity's estimate of W(p). (Ours.)
    """
    p = np.asarray(p, float)
    n, c, pp = advantages.n, np.arange(advantages.n + 1), p[..., None]
    estimate = (c * advantages.success / pp - (n - c) * advantages.failure / (1 - pp)) / n
    chance = binomial(n, p)
    mean = (chance * estimate).sum(-1)
    return np.asarray(n * ((chance * estimate**2).sum(-1) - mean**2))


def unbiased_difference(objective: Objective, n: int) -> Floats:
    """The one D(c), c = 0..n-1, that makes W = f' everywhere: f' estimated from the n - 1 others, shape (n,).

    NaN where f' has a degree above n - 1; ConfigError where f' is no polynomial. No estimator is unbiased
    then.

    Reference: The identity for W(p), and completeness of the binomial law. (Ours.)
    """
    return objective.estimate_weight(n - 1, np.arange(n))


def lifted(
    advantages: OutcomeAdvantages,
) -> Callable[[ArrayLike, ArrayLike], tuple[Floats, Floats]]:
    """An estimator for groups of n, applied to more responses: its mean over all n-subsets of them.

    The returned function takes counts (responses, successes) of any shape and returns the advantages of a
    success and of a failure, whose mean with the scores over all those responses estimates W(p) ∇p without
    bias: what training with groups of n would do to the prompt. NaN where there are fewer than n responses;
    0 for an outcome that no response has.

    Reference: A U-statistic (Hoeffding 1948), as Chen et al. 2021 use for pass@k.
    """
    n = advantages.n

    def of_counts(responses: ArrayLike, successes: ArrayLike) -> tuple[Floats, Floats]:
        """Advantages of a success and of a failure; 0 where there is none, NaN for fewer than n responses."""
        m, c = np.asarray(responses, float), np.asarray(successes, float)
        enough = m >= n
        success = _over_companions(advantages.success[1:], m - 1, np.maximum(c - 1, 0))
        failure = _over_companions(advantages.failure[:-1], m - 1, np.minimum(c, m - 1))
        return (
            np.where(enough, np.where(c > 0, success, 0.0), np.nan),
            np.where(enough, np.where(c < m, failure, 0.0), np.nan),
        )

    return of_counts


def _over_companions(by_count: Floats, m: Floats, c: Floats) -> Floats:
    """Mean of by_count[j] over draws of len(by_count) - 1 from m responses, j of the c successes drawn."""
    n = len(by_count) - 1
    ways = [comb(n, j) * estimate_monomial(m, c, j, n - j) for j in range(n + 1)]
    return np.asarray(sum(x * way for x, way in zip(by_count, ways, strict=True)))


def estimate_prompt_weight(
    advantages: OutcomeAdvantages, responses: ArrayLike, successes: ArrayLike
) -> Floats:
    """Unbiased estimate of W(p) from counts, their shape; NaN for fewer than n - 1 responses.

    Reference: A U-statistic (Hoeffding 1948) of the identity for W(p).
    """
    m, c = np.asarray(responses, float), np.asarray(successes, float)
    return _over_companions(advantages.difference, m, c)
