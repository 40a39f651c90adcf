"""Worlds with exact gradients: the paper's contextual bandit, and softmax policies on finite response sets.

Reference: arXiv 2602.21189, sections 3.2-3.3. The start θ = (-2, -2) and the settings of the population runs
are not printed there: the former is the one that gives every printed number, the latter are ours.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from acute.core.agreement import shares
from acute.errors import ConfigError, InputError

Floats = NDArray[np.float64]
THETA_REF = np.array([-2.0, -2.0])


class World(Protocol):
    """A policy on a finite set of prompts whose success probabilities have exact gradients."""

    @property
    def mass(self) -> Floats:
        """Share of each prompt, shape (N,)."""
        ...

    def success(self, theta: Floats) -> Floats:
        """p_θ(x), shape (N,)."""
        ...

    def gradients(self, theta: Floats) -> Floats:
        """∇p_θ(x), shape (N, d)."""
        ...


@dataclass(frozen=True)
class Bandit:
    """Contextual bandit of section 3.2: two actions, π(1|x) = σ(θ·ψ(x)); easy prompts want 0, hard ones 1."""

    features: Floats
    """ψ(x) = [1, s(x)], shape (N, 2)."""
    hard: NDArray[np.bool_]
    """Label of each prompt, shape (N,)."""

    @property
    def mass(self) -> Floats:
        """Equal shares."""
        return shares(len(self.features))

    def success(self, theta: Floats) -> Floats:
        """p_θ(x), shape (N,): the chance of the action that the prompt wants."""
        one = 1 / (1 + np.exp(-(self.features @ theta)))
        return np.where(self.hard, one, 1 - one)

    def gradients(self, theta: Floats) -> Floats:
        """∇p_θ(x), shape (N, 2): ±σ(1-σ) ψ(x), + on hard prompts. Reference: arXiv 2602.21189, eq. 7."""
        one = 1 / (1 + np.exp(-(self.features @ theta)))
        sign = np.where(self.hard, 1.0, -1.0)
        return np.asarray((sign * one * (1 - one))[:, None] * self.features)

    def constants(self) -> tuple[float, float]:
        """(G², F) of assumption 4.3, for all θ: both are ‖ψ‖²/4 on the worst prompt.

        The score is (y - σ) ψ and its derivative -σ(1-σ) ψψᵀ.
        """
        worst = float((self.features**2).sum(-1).max()) / 4
        return worst, worst


@dataclass(frozen=True)
class Softmax:
    """π_θ(y|x) ∝ exp(θ · φ(x, y)) on Y responses a prompt. One-hot φ a (x, y) is the tabular policy."""

    features: Floats
    """φ(x, y), shape (N, Y, d)."""
    rewards: Floats
    """r(x, y), shape (N, Y)."""
    mass: Floats
    """Share of each prompt, shape (N,)."""

    def probabilities(self, theta: Floats) -> Floats:
        """π_θ(y|x), shape (N, Y)."""
        logits = self.features @ theta
        unnormalised = np.exp(logits - logits.max(-1, keepdims=True))
        return np.asarray(unnormalised / unnormalised.sum(-1, keepdims=True))

    def scores(self, theta: Floats) -> Floats:
        """∇ log π_θ(y|x), shape (N, Y, d)."""
        mean = np.einsum("xy,xyd->xd", self.probabilities(theta), self.features)
        return np.asarray(self.features - mean[:, None])

    def success(self, theta: Floats) -> Floats:
        """p_θ(x) = E[r], shape (N,)."""
        return np.asarray((self.probabilities(theta) * self.rewards).sum(-1))

    def gradients(self, theta: Floats) -> Floats:
        """∇p_θ(x) = E[r ∇ log π], shape (N, d). Reference: arXiv 2602.21189, eq. 4."""
        weighted = self.probabilities(theta) * self.rewards
        return np.asarray(np.einsum("xy,xyd->xd", weighted, self.scores(theta)))

    def kernel_by_expectation(self, theta: Floats) -> Floats:
        """κ as E_{y,y'}[r r' ⟨∇ log π, ∇ log π'⟩], y and y' independent, shape (N, N): the slow form.

        Reference: arXiv 2602.21189, eq. 6.
        """
        chance, score = self.probabilities(theta) * self.rewards, self.scores(theta)
        return np.asarray(np.einsum("ay,ayd,bz,bzd->ab", chance, score, chance, score))

    def constants(self) -> tuple[float, float]:
        """(G², F) of assumption 4.3, for all θ: half the largest squared distance of features of one prompt.

        E‖s‖² is the variance of φ, at most half the squared diameter; ‖∇² log π‖ is that of its covariance.
        """
        gaps = self.features[:, :, None] - self.features[:, None]
        worst = float((gaps**2).sum(-1).max()) / 2
        return worst, worst


def tabular(rewards: ArrayLike, mass: ArrayLike | None = None) -> Softmax:
    """One free logit a (prompt, response): no parameter is shared, so no two prompts interfere.

    Reference: A world where κ of eq. 5 is 0 off the diagonal; Assumption 4.3 names tabular softmax.
    """
    r = np.asarray(rewards, float)
    if r.ndim != 2:
        raise InputError(f"rewards must have shape (prompts, responses), found {r.shape}")
    return Softmax(np.eye(r.size).reshape(*r.shape, r.size), r, shares(len(r), mass))


def two_prompts(separation: float = 0.2) -> Bandit:
    """The demonstration of section 3.3: one easy prompt at s = -separation/2, one hard at +separation/2."""
    half = separation / 2
    return Bandit(np.array([[1.0, -half], [1.0, half]]), np.array([False, True]))


def population(prompts: int = 6000, p_hard: float = 0.4, separation: float = 0.2, seed: int = 0) -> Bandit:
    """Prompts drawn as in section 3.2: hard with probability p_hard, s ~ N(±separation/2, 1).

    ConfigError unless prompts >= 1 and 0 <= p_hard <= 1.
    """
    if prompts < 1 or not 0 <= p_hard <= 1:
        raise ConfigError(f"needed prompts >= 1 and p_hard in [0, 1], found {prompts} and {p_hard}")
    rng = np.random.default_rng(seed)
    hard = rng.random(prompts) < p_hard
    s = rng.normal(size=prompts) + np.where(hard, separation / 2, -separation / 2)
    return Bandit(np.column_stack([np.ones(prompts), s]), hard)


class State(NamedTuple):
    """Everything exact about a world at one θ and one k."""

    p: Floats
    """Success probabilities, shape (N,)."""
    gradients: Floats
    """∇p, shape (N, d)."""
    agreement: Floats
    """a, shape (N,)."""
    J1: float
    Jk: float
    gradient_1: Floats
    """∇J_1, shape (d,)."""
    gradient_k: Floats
    """∇J_k, shape (d,)."""

    @property
    def inner(self) -> float:
        """⟨∇J_k, ∇J_1⟩."""
        return float(self.gradient_k @ self.gradient_1)

    @property
    def cosine(self) -> float:
        """cos(∇J_k, ∇J_1); NaN where one of them is 0."""
        size = np.linalg.norm(self.gradient_k) * np.linalg.norm(self.gradient_1)
        return self.inner / float(size) if size > 0 else float("nan")


def state(world: World, theta: ArrayLike, k: int) -> State:
    """The exact state of a world at θ, shape (d,), for pass@k.

    Reference: Eqs. 1-9 on a world of section 3.3.
    """
    at = np.asarray(theta, float)
    p, g, mass = world.success(at), world.gradients(at), world.mass
    gradient_1 = mass @ g
    gradient_k = (mass * k * (1 - p) ** (k - 1)) @ g
    return State(
        p,
        g,
        g @ gradient_1,
        float(mass @ p),
        float(mass @ (1 - (1 - p) ** k)),
        np.asarray(gradient_1),
        np.asarray(gradient_k),
    )


def ascend(world: World, theta: ArrayLike, k: int, step: float, steps: int) -> Floats:
    """Gradient ascent on J_k: θ_0 … θ_steps, shape (steps + 1, d).

    Reference: The trainings of Fig. 5, θ ← θ + η ∇J_k.
    """
    path = [np.asarray(theta, float)]
    for _ in range(steps):
        path.append(path[-1] + step * state(world, path[-1], k).gradient_k)
    return np.array(path)
