"""Universes of prompts with exact truth: softmax policies with shared parameters over a few responses.

π_θ(y | x) ∝ exp(b(x, y) + φ(x, y)·θ) at θ = 0, where b sets the probabilities and φ the score gradients
φ(x, y) - E φ(x, ·). A universe has many prompts; a simulated run draws its prompts from it with
replacement, so the means over the universe are exact values of the distribution.

Suffixes name axes: U universe, N prompts of a run, M folds, O outcomes, Y responses, D parameters.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
UNIVERSE, RESPONSES, COMMON, OWN = 600, 5, 8, 40
SHARING = {"little": 0.02, "middle": 0.2, "much": 0.7}  # share of |φ|² in directions common to all prompts
FAMILIES = 3


def _middling(rng: np.random.Generator, family_U: NDArray[np.int64]) -> Floats:
    return rng.beta(4, 4, len(family_U))


def _small(rng: np.random.Generator, family_U: NDArray[np.int64]) -> Floats:
    return rng.beta(0.4, 0.8, len(family_U))


def _opposed(rng: np.random.Generator, family_U: NDArray[np.int64]) -> Floats:
    easy, hard = rng.beta(8, 2, len(family_U)), rng.beta(1, 8, len(family_U))
    return np.where(family_U == 0, easy, hard)


LAWS: dict[str, Callable[[np.random.Generator, NDArray[np.int64]], Floats]] = {
    "middling": _middling,  # p between 0.2 and 0.8
    "small": _small,  # Beta(.4, .8): mean a third, a fifth of the prompts below 0.02
    "opposed": _opposed,  # a third easy, the rest hard and pulling the other way
}
# how far the right responses of each of three families lie along the direction common to all
PULL = {"middling": (1.0, 0.6, 0.3), "small": (1.0, 0.6, 0.3), "opposed": (1.0, -0.5, -0.5)}


@dataclass(frozen=True)
class Universe:
    """Probabilities pi_UY, scores s_UYD, rewards r_UY, families."""

    pi_UY: Floats
    s_UYD: Floats
    r_UY: Floats
    family_U: NDArray[np.int64]

    @cached_property
    def p_U(self) -> Floats:
        """Chance to be right."""
        return np.asarray((self.pi_UY * self.r_UY).sum(1))

    @cached_property
    def grad_p_UD(self) -> Floats:
        """∇p of every prompt."""
        return np.einsum("uy,uy,uyd->ud", self.pi_UY, self.r_UY, self.s_UYD)


@lru_cache
def universe(sharing: str, law: str, seed: int = 0) -> Universe:
    """A universe of 600 prompts with five responses each, the first of them right."""
    rng = np.random.default_rng([seed, list(LAWS).index(law)])
    family = np.arange(UNIVERSE) % FAMILIES
    p = LAWS[law](rng, family).clip(1e-4, 1 - 1e-4)
    wrong = rng.dirichlet(np.full(RESPONSES - 1, 2.0), UNIVERSE)
    pi = np.concatenate([p[:, None], (1 - p)[:, None] * wrong], 1)

    common = rng.normal(size=(RESPONSES, COMMON))
    common[0] *= np.sqrt(COMMON) / np.linalg.norm(common[0])
    pull = np.array(PULL[law])[family]
    shared = common + rng.normal(size=(UNIVERSE, RESPONSES, COMMON))
    shared[:, 0] = pull[:, None] * 1.5 * common[0] + rng.normal(size=(UNIVERSE, COMMON))
    own = rng.normal(size=(UNIVERSE, RESPONSES, OWN))
    share = SHARING[sharing]
    features = np.concatenate([np.sqrt(share / COMMON) * shared, np.sqrt((1 - share) / OWN) * own], 2)
    scores = features - np.einsum("uy,uyd->ud", pi, features)[:, None]
    rewards = np.zeros_like(pi)
    rewards[:, 0] = 1
    return Universe(pi, scores, rewards, family)


@dataclass(frozen=True)
class Truth:
    """What a run of the prompts `drawn_N` estimates; the universe itself for all of its prompts."""

    p_N: Floats
    grad_p_ND: Floats
    direction_D: Floats  # ∇J_1

    def gradient(self, k: int) -> Floats:
        """∇J_k."""
        return self.weight_N(k) @ self.grad_p_ND / len(self.p_N)

    def weight_N(self, k: int) -> Floats:
        """w_k(p) of each prompt."""
        return np.asarray(k * (1 - self.p_N) ** (k - 1))

    def inner(self, k: int) -> float:
        """⟨∇J_k, ∇J_1⟩."""
        return float(self.gradient(k) @ self.direction_D)

    def norm(self, k: int) -> float:
        """‖∇J_k‖²."""
        return float(self.gradient(k) @ self.gradient(k))

    def cosine(self, k: int) -> float:
        """cos(∇J_k, ∇J_1)."""
        return self.inner(k) / float(np.sqrt(self.norm(k) * self.norm(1)))

    @property
    def agreement_N(self) -> Floats:
        """a(x) = ⟨∇p(x), ∇J_1⟩."""
        return self.grad_p_ND @ self.direction_D


def truth(of: Universe, drawn_N: NDArray[np.int64] | None = None) -> Truth:
    """Exact values of the prompts drawn, or of the universe."""
    drawn = slice(None) if drawn_N is None else drawn_N
    grad_p = of.grad_p_UD[drawn]
    return Truth(of.p_U[drawn], grad_p, grad_p.mean(0))


@lru_cache
def whole_truth(sharing: str, law: str, seed: int = 0) -> Truth:
    """Exact values of a universe."""
    return truth(universe(sharing, law, seed))


def roll(
    of: Universe, drawn_N: NDArray[np.int64], n_NM: NDArray[np.int64], rng: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """n_NM, c_NM and sums_NMOD of so many responses of each prompt and fold."""
    pi, s, r = of.pi_UY[drawn_N], of.s_UYD[drawn_N], of.r_UY[drawn_N]
    count = rng.multinomial(n_NM, pi[:, None]).astype(float)
    right = count * r[:, None]
    counted = np.stack([count - right, right], 2)
    N, M = n_NM.shape
    sums = (counted.reshape(N, M * 2, -1) @ s).reshape(N, M, 2, -1)
    return count.sum(2), right.sum(2), sums
