"""Exact worlds as mitigations see them, and what prompt weights really do there."""

import numpy as np

from acute.core.agreement import agreement, kernel
from acute.core.mitigations.seen import Seen
from acute.core.toy import state, two_prompts
from tests.core.worlds import softmax_world

K = 8


class Exact:
    """A world at θ: what is seen for pass@k, and the true gradients to check guarantees against."""

    def __init__(self, world, theta, k=K):
        self.at, self.mass = state(world, theta, k), world.mass
        self.w_N = k * (1 - self.at.p) ** (k - 1)
        kappa = kernel(self.at.gradients)
        g1, gk = self.at.gradient_1, self.at.gradient_k
        self.seen = Seen(self.w_N, agreement(kappa, self.mass), self.at.inner, g1 @ g1, gk @ gk, self.mass)

    def step(self, v):
        """E[v ∇p], from the gradients themselves."""
        return (self.mass * v.of(self.w_N)) @ self.at.gradients

    def rise_1(self, v):
        return float(self.step(v) @ self.at.gradient_1)

    def rise_k(self, v):
        return float(self.step(v) @ self.at.gradient_k)


def worlds():
    """The paper's two prompts, and random worlds; about half are in conflict."""
    found = [Exact(two_prompts(), np.array([-2.0, -2.0]))]
    for seed in range(60):
        theta = 2.5 * np.random.default_rng(seed).normal(size=4)
        found.append(Exact(softmax_world(seed), theta))
    return [w for w in found if w.seen.norm_1 > 1e-9 and w.seen.norm_k > 1e-9]


WORLDS = worlds()
IN_CONFLICT = [w for w in WORLDS if w.seen.inner < 0]
AT_PEACE = [w for w in WORLDS if w.seen.inner >= 0]
