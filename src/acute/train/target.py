"""The objective of a training as advantages of groups, and what it weights prompts with."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from acute.core import objectives
from acute.core.advantages.pass_at_one import rloo
from acute.core.advantages.registry import ESTIMATORS, find
from acute.core.advantages.surrogates import leave_one_out
from acute.errors import ConfigError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Target:
    """What is ascended: its name as asked for, k (None where it has none), and the smallest group."""

    name: str
    k: int | None
    least_n: int
    _advantage: Callable[[Floats], Floats]

    def advantage(self, rewards: Floats) -> Floats:
        """Advantages of groups (…, n), n >= least_n. InputError where rewards must be 0 or 1 and are not."""
        return self._advantage(rewards)

    def with_k(self, k: int) -> "Target":
        """The same method at another k, RLOO at k = 1. ConfigError where the method has no k."""
        if self.k is None:
            raise ConfigError(
                f"the objective {self.name!r} has no k to change: wanted pass@K or an estimator@K"
            )
        return replace(target("pass@1" if k == 1 else f"{self.name.rsplit('@', 1)[0]}@{k}"), name=self.name)

    def pair(self, n: int, c: int) -> tuple[float, float]:
        """Advantages of a success and of a failure in a group of n, c of them right; 0 where there is none.

        NaN where n is too small for the method.
        """
        return _pair(self, n, c)

    def pairs(self, n: Floats, c: Floats) -> tuple[Floats, Floats]:
        """`pair` for arrays of n and c."""
        found = [self.pair(int(a), int(b)) for a, b in zip(n.ravel(), c.ravel(), strict=True)]
        success, failure = np.array(found).reshape(-1, 2).T
        return success.reshape(n.shape), failure.reshape(n.shape)

    def weights(self, n_N: Floats, c_N: Floats) -> Floats:
        """Unbiased estimate of the prompt weight W(p) that these advantages have on average, shape (N,).

        W is the mean over the other n - 1 responses of D(c') = A₊(c' + 1) - A₋(c'); averaged here over which
        of the n responses is left out.
        """
        return np.array([self._weight(int(n), int(c)) for n, c in zip(n_N, c_N, strict=True)])

    def _weight(self, n: int, c: int) -> float:
        def gap(others_right: int) -> float:
            return self.pair(n, others_right + 1)[0] - self.pair(n, others_right)[1]

        right = c / n * gap(c - 1) if c else 0.0
        return right + ((n - c) / n * gap(c) if c < n else 0.0)


@lru_cache(maxsize=4096)
def _pair(of: Target, n: int, c: int) -> tuple[float, float]:
    if n < of.least_n:
        return np.nan, np.nan
    found = of.advantage(np.concatenate([np.ones(c), np.zeros(n - c)]))
    return (float(found[0]) if c else 0.0), (float(found[-1]) if c < n else 0.0)


def target(objective: str) -> Target:
    """The target of this name: an objective ("pass@8", "log@4", …), or an estimator ("pkpo-loo-1@8", "grpo").

    An objective is ascended by its own leave-one-out advantages (pass@1: RLOO), which are unbiased.
    ConfigError for any other name, and for objectives that finitely many responses cannot estimate.
    """
    name, _, number = objective.partition("@")
    if name in ESTIMATORS:
        return _of_estimator(objective, name, number)
    try:
        wanted = objectives.parse(objective)
    except ConfigError as error:
        raise ConfigError(
            f"objective: {error}; or an estimator, with @k where it has a k: {', '.join(ESTIMATORS)}"
        ) from None
    k = int(number) if name == "pass" else None
    least = max(2, wanted.responses_needed)
    if wanted.name == "pass@1":
        return Target(objective, 1, least, lambda r: np.asarray(rloo(r)))
    return Target(objective, k, least, lambda r: np.asarray(leave_one_out(r, wanted)))


def _of_estimator(objective: str, name: str, number: str) -> Target:
    estimator = find(name)
    if number and not number.isdecimal():
        raise ConfigError(f"objective: wanted {name}@k with a whole k, found {objective!r}")
    k = int(number) if number else 1
    if k < estimator.least_k or (number and k < 1):
        raise ConfigError(f"objective: {name} needs k of {estimator.least_k} or more, as in {name}@8")
    return Target(
        objective,
        k if number else None,
        max(2, estimator.least_n(k)),
        lambda r: np.asarray(estimator.advantage(r, k)),
    )
