"""Worlds for `acute gate`: success probabilities of base and candidate, changes of pass@1 and pass@k set.

The base's p ~ Beta(0.4, 0.8): mean 1/3, pass@8 0.67. The candidate's q = f(p, u; a, b) with u ~ U(0, 1)
independent of p: what training did to a prompt beyond what its difficulty tells. a and b are solved for so
that, over the distribution, E[q] - E[p] and E[1 - (1-q)^k] - E[1 - (1-p)^k] are what is asked. Worlds differ
in the spread of q - p over prompts, which every test about the distribution pays for, and in its skewness.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats
from scipy.special import expit, logit, ndtri

Floats = NDArray[np.float64]
Change = Callable[[Floats, Floats, float, float], Floats]
SHAPE = (0.4, 0.8)
EDGE = 40.0  # a share of prompts begins within 1 / EDGE of u, so that the solver sees a slope


def _beta(p: Floats, _: Floats, a: float, b: float) -> Floats:
    """Another Beta law, each prompt at its old rank: easy ones a little down, hard ones a little up."""
    mean, size = np.mean(SHAPE[0] / sum(SHAPE)) + a, np.exp(b)
    return stats.beta.ppf(stats.beta.cdf(p, *SHAPE), mean * size, (1 - mean) * size)


def _log_odds(noise: float) -> Change:
    """logit q = a + b logit p + noise · N(0, 1): prompts move on their own as well."""

    def q(p: Floats, u: Floats, a: float, b: float) -> Floats:
        return expit(a + b * logit(np.clip(p, 1e-9, 1 - 1e-9)) + noise * ndtri(u))

    return q


def _least(p: Floats, _: Floats, a: float, b: float) -> Floats:
    """p + a + b (1-p)^(k-1): the smallest spread that does it, along pass@8's own weight."""
    return np.clip(p + a + b * (1 - p) ** 7, 0, 1)


def _collapse(p: Floats, u: Floats, a: float, b: float) -> Floats:
    """A share of the prompts falls to 0, the rest is lifted where hard: rare large losses."""
    kept = np.clip((u - expit(a)) * EDGE + 0.5, 0, 1)
    return kept * np.clip(p + np.exp(b) * (1 - p) ** 7, 0, 1)


def _rare_collapse(p: Floats, u: Floats, a: float, b: float) -> Floats:
    """Some of the prompts that were nearly always solved (p > 0.9) fall to 0, hard ones are lifted."""
    lost = np.clip((expit(a) - u) * EDGE + 0.5, 0, 1) * expit((p - 0.9) * 200)
    return (1 - lost) * np.clip(p + np.exp(b) * (1 - p) ** 7, 0, 1)


def _lottery(p: Floats, u: Floats, a: float, b: float) -> Floats:
    """Some hard prompts are solved half of the time, all others sink a little: rare large gains."""
    won = np.clip((expit(b) - u) * EDGE + 0.5, 0, 1) * (1 - p) ** 10
    return won * 0.5 + (1 - won) * p * expit(a)


FAMILIES: dict[str, tuple[Change, tuple[float, float]]] = {
    # name: (f, where the search for a and b begins)
    "least change": (_least, (-0.01, 0.02)),
    "same ranks": (_beta, (0.0, 1.0)),
    "log-odds": (_log_odds(0.0), (0.0, 0.8)),
    "log-odds, noise 0.25": (_log_odds(0.25), (0.0, 0.8)),
    "log-odds, noise 0.5": (_log_odds(0.5), (0.0, 0.8)),
    "log-odds, noise 1": (_log_odds(1.0), (0.0, 0.8)),
    "collapse": (_collapse, (-3.0, -4.0)),
    "rare collapse": (_rare_collapse, (-1.0, -3.0)),
    "lottery": (_lottery, (3.0, -2.0)),
}


class World(NamedTuple):
    """A joint law of (p, q), with the standard deviation of q - p over prompts."""

    name: str
    change: Change
    a: float
    b: float
    spread: float

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[Floats, Floats]:
        """p and q of independent prompts."""
        p = rng.beta(*SHAPE, shape)
        return p, self.after(p, rng)

    def after(self, p: Floats, rng: np.random.Generator) -> Floats:
        """q of prompts with these p, what is random in it drawn anew: another checkpoint."""
        return self.change(p, rng.random(p.shape), self.a, self.b)


def pass_at(p: Floats, k: int) -> Floats:
    """1 - (1-p)^k."""
    return 1 - (1 - p) ** k


def world(name: str, d1: float, dk: float, k: int = 8) -> World:
    """The world of that family with pass@1 changed by d1 and pass@k by dk; ValueError if there is none."""
    change, start = FAMILIES[name]
    grid = stats.beta.ppf((np.arange(1000) + 0.5) / 1000, *SHAPE)
    p, u = (x.ravel() for x in np.meshgrid(grid, (np.arange(40) + 0.5) / 40, indexing="ij"))

    def missed(x: Floats) -> list[float]:
        q = change(p, u, *x)
        return [(q - p).mean() - d1, (pass_at(q, k) - pass_at(p, k)).mean() - dk]

    a, b = optimize.root(missed, start, tol=1e-9).x
    if max(map(abs, missed(np.array([a, b])))) > 1e-4:
        raise ValueError(f"{name}: no world with pass@1 {d1:+} and pass@{k} {dk:+}")
    return World(name, change, a, b, float((change(p, u, a, b) - p).std()))
