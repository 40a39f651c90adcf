"""Prompt interference: the kernel κ, agreement a(x), and every equivalent form of the conflict.

Throughout, `mass` is the share of each prompt, shape (N,), None for equal shares; `weights` is f'(p(x)) of an
objective, shape (N,); `gradients` is ∇p(x), shape (N, d). ∇J_f = E[f'(p) ∇p], ∇J_1 = E[∇p].

Reference: arXiv 2602.21189, sections 3.1 and 4.1 and appendices A and B.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from acute.errors import InputError

Floats = NDArray[np.float64]


def shares(count: int, mass: ArrayLike | None = None) -> Floats:
    """The mass of `count` prompts as an array that sums to 1; equal shares for None.

    InputError unless it has shape (count,), no negative entry and a positive sum.

    Reference: The prompt distribution 𝒟 of eq. 2 on finitely many prompts.
    """
    if mass is None:
        return np.full(count, 1 / count)
    found = np.asarray(mass, float)
    if found.shape != (count,) or not (found >= 0).all() or not 0 < found.sum() < np.inf:
        raise InputError(f"mass must be {count} numbers, none negative, not all 0; found {found}")
    return np.asarray(found / found.sum())


def kernel(gradients: ArrayLike) -> Floats:
    """κ(x, x') = ⟨∇p(x), ∇p(x')⟩, shape (N, N): to first order, what a step on x does to p(x') per step size.

    Positive semi-definite. From exact gradients: estimated ones need independent responses on the diagonal.

    Reference: arXiv 2602.21189, eqs. 5-6.
    """
    g = np.asarray(gradients, float)
    return np.asarray(g @ g.T)


def cosine_kernel(kappa: ArrayLike) -> Floats:
    """cos(∇p(x), ∇p(x')), shape (N, N); NaN where a gradient is 0 and there is no angle.

    Takes any matrix of inner products: that of `objective_matrix` gives the angles between objectives.

    Reference: Eq. 5, normalised as in Fig. 2.
    """
    k = np.asarray(kappa, float)
    norm = np.sqrt(np.diagonal(k))
    size = np.outer(norm, norm)
    cosine = np.full(k.shape, np.nan)
    np.divide(k, size, out=cosine, where=size > 0)
    return cosine


def interference(kappa: ArrayLike) -> NDArray[np.int_]:
    """+1 where two prompts interfere positively, -1 negatively, 0 neither: the sign of κ, shape (N, N).

    Reference: arXiv 2602.21189, definition 3.1.
    """
    return np.asarray(np.sign(np.asarray(kappa, float)), np.int_)


def agreement(kappa: ArrayLike, mass: ArrayLike | None = None) -> Floats:
    """a(x) = E_{x'}[κ(x, x')] = ⟨∇p(x), ∇J_1⟩, shape (N,): what raising p(x) does to pass@1.

    Its mean E[a] = ‖∇J_1‖² is never negative: a positive unweighted mean is an identity, not a finding.

    Reference: arXiv 2602.21189, eq. 8.
    """
    k = np.asarray(kappa, float)
    return np.asarray(k @ shares(len(k), mass))


def inner_product(weights: ArrayLike, scores: ArrayLike, mass: ArrayLike | None = None) -> float:
    """⟨∇J_f, ∇J_1⟩ = E[f'(p) a] from agreement scores (N,). Conflict is a negative value.

    Reference: arXiv 2602.21189, eq. 9.
    """
    w, a = np.asarray(weights, float), np.asarray(scores, float)
    return float(shares(len(a), mass) @ (w * a))


def inner_product_by_covariance(
    weights: ArrayLike, scores: ArrayLike, norm_squared: float, mass: ArrayLike | None = None
) -> float:
    """⟨∇J_f, ∇J_1⟩ = E[f'] ‖∇J_1‖² + cov(f', a), with ‖∇J_1‖² given on its own.

    Conflict is cov(f', a) < -E[f'] ‖∇J_1‖². Reference: arXiv 2602.21189, eq. 10.
    """
    w, a = np.asarray(weights, float), np.asarray(scores, float)
    d = shares(len(a), mass)
    covariance = d @ ((w - d @ w) * (a - d @ a))
    return float((d @ w) * norm_squared + covariance)


def reweighted(weights: ArrayLike, mass: ArrayLike | None = None) -> Floats:
    """The prompt distribution that the objective sees, ∝ f'(p(x)) · mass, shape (N,).

    InputError where E[f'] is not positive: it is not defined then. Reference: arXiv 2602.21189, eq. 11.
    """
    w = np.asarray(weights, float)
    moved = shares(len(w), mass) * w
    if (w < 0).any() or not moved.sum() > 0:
        raise InputError(f"the reweighted distribution needs weights >= 0 with a positive mean, found {w}")
    return np.asarray(moved / moved.sum())


def inner_product_by_shift(weights: ArrayLike, scores: ArrayLike, mass: ArrayLike | None = None) -> float:
    """⟨∇J_f, ∇J_1⟩ = E[f'] · E~[a], E~ over the `reweighted` prompts: conflict is E~[a] < 0.

    InputError as `reweighted`. Reference: arXiv 2602.21189, eq. 11.
    """
    w, a = np.asarray(weights, float), np.asarray(scores, float)
    return float((shares(len(w), mass) @ w) * (reweighted(w, mass) @ a))


class Correlation(NamedTuple):
    """The correlation of weight and agreement, and the value below which there is conflict."""

    value: float
    threshold: float

    @property
    def conflict(self) -> bool:
        """value < threshold, and False where neither is defined."""
        return self.value < self.threshold


def correlation(
    weights: ArrayLike, scores: ArrayLike, norm_squared: float, mass: ArrayLike | None = None
) -> Correlation:
    """corr(f', a) and -E[f'] ‖∇J_1‖² / (σ_f' σ_a). NaN, NaN where weights or scores do not vary.

    Conflict asks for a strongly negative correlation and for enough spread in both: a threshold below -1
    cannot be met. Reference: arXiv 2602.21189, appendix A.
    """
    w, a = np.asarray(weights, float), np.asarray(scores, float)
    d = shares(len(a), mass)
    w_off, a_off = w - d @ w, a - d @ a
    spread = np.sqrt((d @ w_off**2) * (d @ a_off**2))
    if not spread > 0:
        return Correlation(np.nan, np.nan)
    return Correlation(float(d @ (w_off * a_off) / spread), float(-(d @ w) * norm_squared / spread))


def objective_matrix(weights: ArrayLike, kappa: ArrayLike, mass: ArrayLike | None = None) -> Floats:
    """⟨∇J_f, ∇J_h⟩ for every pair of K objectives, from their weights (K, N) and κ (N, N); shape (K, K).

    E[f'(x) h'(x') κ(x, x')], the conflict under any pair, pass@k and pass@m among them. No entry is negative
    if κ >= 0 and all weights are.

    Reference: arXiv 2602.21189, appendix B, for pass@k; the same algebra holds for all f.
    """
    w, k = np.atleast_2d(np.asarray(weights, float)), np.asarray(kappa, float)
    moved = w * shares(len(k), mass)
    return np.asarray(moved @ k @ moved.T)
