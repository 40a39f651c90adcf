"""Finite worlds with exact truth: softmax policies with shared parameters over a few responses."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class World:
    """N prompts, Y responses: probabilities pi_NY, scores s_NYD, rewards r_NY (0 or 1)."""

    pi_NY: np.ndarray
    s_NYD: np.ndarray
    r_NY: np.ndarray

    @property
    def p_N(self):
        return (self.pi_NY * self.r_NY).sum(1)

    @property
    def grad_p_ND(self):
        return np.einsum("ny,ny,nyd->nd", self.pi_NY, self.r_NY, self.s_NYD)

    def gradient(self, k):
        """∇J_k of these prompts."""
        return (k * (1 - self.p_N) ** (k - 1)) @ self.grad_p_ND / len(self.p_N)

    def inner(self, k):
        return float(self.gradient(k) @ self.gradient(1))

    def cosine(self, k):
        scale = np.linalg.norm(self.gradient(k)) * np.linalg.norm(self.gradient(1))
        return self.inner(k) / scale

    @property
    def agreement_N(self):
        return self.grad_p_ND @ self.gradient(1)

    def roll(self, n, folds, rng):
        """Counts and gradient sums of n responses a prompt: n_NM, c_NM, sums_NMOD."""
        count_NMY = np.stack([rng.multinomial(n // folds, self.pi_NY) for _ in range(folds)], 1)
        right_NMY = count_NMY * self.r_NY[:, None]
        wrong_NMY = count_NMY - right_NMY
        sums = np.stack([np.einsum("nmy,nyd->nmd", part, self.s_NYD) for part in (wrong_NMY, right_NMY)], 2)
        return count_NMY.sum(2).astype(float), right_NMY.sum(2).astype(float), sums


def world(N=12, Y=6, d=8, sharing=0.6, hard=0.4, seed=0, scale=1.5):
    """A world in which some prompts are hard and all share parameters; hard ones may pull the other way."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(Y, d))
    phi = np.sqrt(sharing) * common + np.sqrt(1 - sharing) * rng.normal(size=(N, Y, d))
    theta = rng.normal(size=d) * scale / np.sqrt(d)
    logit = phi @ theta
    right = logit.argsort(1)
    is_hard = rng.random(N) < hard
    answer = np.where(is_hard, right[:, 1], right[:, -1])  # nearly the least or the most likely response
    r = np.zeros((N, Y))
    r[np.arange(N), answer] = 1
    pi = np.exp(logit - logit.max(1, keepdims=True))
    pi /= pi.sum(1, keepdims=True)
    s = phi - np.einsum("ny,nyd->nd", pi, phi)[:, None]
    return World(pi, s, r)
