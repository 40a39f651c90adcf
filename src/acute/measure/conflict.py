"""Conflict of pass@k with pass@1, for every k at once: of these prompts and of their distribution.

What is measured once (`Measured`) answers for every k, family and prompt by arithmetic alone.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from acute.core.blocks import Rows, Sums
from acute.core.estimate import Estimate
from acute.core.products import (
    Advantage,
    Product,
    Products,
    coefficients,
    mean_gradients,
    plug_in,
    unbiased,
)
from acute.measure.intervals import (
    deletion_variance,
    from_error,
    p_value_negative,
    prompt_variance,
    ratio,
    simultaneous_reach,
)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """Counts and sketched gradient sums of the prompts that are analysed.

    `sums_NMOD` holds Σ ∇ ln π over the responses of each prompt, fold and outcome (wrong, right).
    `sketch_size` is the D of the sketch, whose own error 1/√D is counted; inf for whole gradients.
    """

    n_NM: Floats
    c_NM: Floats
    sums_NMOD: Sums | Rows
    sketch_size: float

    @property
    def n_N(self) -> Floats:
        """Responses of each prompt."""
        return np.asarray(self.n_NM.sum(1))

    @property
    def c_N(self) -> Floats:
        """Successes of each prompt."""
        return np.asarray(self.c_NM.sum(1))


@dataclass(frozen=True)
class Answer:
    """One estimate and the one-sided p-value of "not negative"."""

    estimate: Estimate | None
    p_value: float | None


def _answer(value: float, variance: float, df: float, bounds: tuple[float, float] | None = None) -> Answer:
    if not np.isfinite(value):
        return Answer(None, None)
    found = from_error(value, float(np.sqrt(variance)), df, bounds)
    return Answer(found, p_value_negative(found, df))


class Curve:
    """⟨∇J_k, ∇J_1⟩ and the cosine for k = 1 … k_max.

    `also` are advantages of further objectives, asked for as if they were k_max + 1, k_max + 2, …
    """

    def __init__(self, measured: Measured, k_max: int, also: Sequence[Advantage] = ()) -> None:
        self.measured, self.k = measured, list(range(1, k_max + 1))
        objectives = [*(unbiased(k) for k in self.k), *also]
        coefs = coefficients(objectives, measured.n_NM, measured.c_NM)
        self._multiply(Products(measured.sums_NMOD, coefs))
        self.N, self.size = measured.sums_NMOD.shape[0], measured.sketch_size

    def _multiply(self, products: Products) -> None:
        self.products, objectives = products, range(len(products.coefs.full_JNO))
        self.with_first = [products.product(i, 0) for i in objectives]
        self.norm = [products.product(i, i) for i in objectives]

    def combined(self, mix_KK: Floats) -> "Curve":
        """The curve whose J_k is Σ_m mix_KK[k-1, m-1] J_m of this one, up to a constant."""
        other = copy(self)
        other._multiply(self.products.combined(mix_KK))
        return other

    def _sketch_variance(self, i: int, of: str) -> float:
        """Variance that the sketch adds to ⟨∇J_k, ∇J_1⟩: (‖∇J_k‖²‖∇J_1‖² + inner²) / D."""
        inner = getattr(self.with_first[i], of)
        norms = getattr(self.norm[i], of) * getattr(self.norm[0], of)
        return float((max(norms, 0.0) + inner**2) / self.size)

    def inner(self, k: int) -> Answer:
        """⟨∇J_k, ∇J_1⟩ of these prompts."""
        i = k - 1
        variance, df = deletion_variance(self.with_first[i].deleted_NM)
        total = variance / self.N**2 + self._sketch_variance(i, "finite")
        return _answer(self.with_first[i].finite, total, df)

    def band(self, seed: int) -> list[tuple[float, float] | None]:
        """A 95 % band that ⟨∇J_k, ∇J_1⟩ of these prompts lies in for all k at once; None where unknown."""
        known = [i for i, p in enumerate(self.with_first) if np.isfinite(p.finite)]
        deleted = np.stack([self.with_first[i].deleted_NM for i in known])
        reach = simultaneous_reach(deleted, min(deletion_variance(d)[1] for d in deleted), seed)
        found: list[tuple[float, float] | None] = [None] * len(self.k)
        for i in known:
            estimate = self.inner(i + 1).estimate
            if estimate is not None and estimate.se is not None:
                half = reach * estimate.se
                found[i] = estimate.value - half, estimate.value + half
        return found

    def inner_population(self, k: int) -> Answer:
        """⟨∇J_k, ∇J_1⟩ of the prompt distribution."""
        i = k - 1
        variance, df = prompt_variance(self.with_first[i].psi_N)
        total = variance + self._sketch_variance(i, "population")
        return _answer(self.with_first[i].population, total, df)

    def cosine(self, k: int) -> Answer:
        """cos(∇J_k, ∇J_1) of these prompts; None where an estimated squared norm is not positive."""
        return self._cosine(k - 1, "finite")

    def cosine_population(self, k: int) -> Answer:
        """cos(∇J_k, ∇J_1) of the distribution; None where an estimated squared norm is not positive."""
        return self._cosine(k - 1, "population")

    def _cosine(self, i: int, of: str) -> Answer:
        """I / √(‖∇J_k‖² ‖∇J_1‖²) as the ratio it is; the root's influence to first order."""
        inner, own, first = (getattr(p, of) for p in (self.with_first[i], self.norm[i], self.norm[0]))
        if not (np.isfinite(inner) and own > 0 and first > 0):
            return Answer(None, None)
        if i == 0:
            return Answer(Estimate(1.0, 0.0, 1.0, 1.0), None)  # ∇J_1 with itself: exact by definition
        field = "deleted_NM" if of == "finite" else "psi_N"
        a, b, c = (getattr(p, field) for p in (self.with_first[i], self.norm[i], self.norm[0]))
        scale = float(np.sqrt(own * first))
        of_scale = scale / 2 * (b / own + c / first)
        from_sketch = (1 - min(1.0, (inner / scale) ** 2)) ** 2 * scale**2 / self.size

        def variance_along(r: float) -> tuple[float, float]:
            if of == "population":
                variance, df = prompt_variance(a - r * of_scale)
            else:
                variance, df = deletion_variance(a - r * of_scale)
                variance /= self.N**2
            return variance + from_sketch, df

        found = ratio(inner, scale, variance_along, (-1.0, 1.0))
        return Answer(found, None)


def naive(measured: Measured, ks: Sequence[int]) -> tuple[list[float], list[float]]:
    """⟨∇J_k, ∇J_1⟩ and cosines the naive way: plug-in weights, the same rollouts in both factors."""
    coefs = coefficients([plug_in(k) for k in (1, *ks)], measured.n_NM, measured.c_NM)
    mean_JD = mean_gradients(measured.sums_NMOD, coefs.full_JNO)
    inner, length = mean_JD[1:] @ mean_JD[0], np.sqrt((mean_JD**2).sum(1))
    scale = length[1:] * length[0]
    cosine = np.divide(inner, scale, out=np.full(len(ks), np.nan), where=scale > 0)
    return inner.tolist(), cosine.tolist()


def restricted(measured: Measured, k: int, share_JN: Floats) -> list[Product]:
    """⟨∇J_k restricted, ∇J_1⟩ for each row of shares: (1/N) Σ_x share_x w_k(x) a(x).

    A row of N · [x = x₀] at k = 1 gives the agreement of x₀; N/N_f · [x in family] that of a family.
    """
    base = coefficients([unbiased(1)], measured.n_NM, measured.c_NM)
    some = coefficients([unbiased(k)], measured.n_NM, measured.c_NM).restricted(share_JN)
    products = Products(measured.sums_NMOD, base + some)
    return [products.product(1 + j, 0) for j in range(len(share_JN))]


def finite_answers(products: Sequence[Product], size: float, scale: float) -> list[Answer]:
    """Intervals of restricted products of these prompts; `scale` is ‖·‖² for the sketch's own error."""
    answers = []
    for product in products:
        N = len(product.psi_N)
        variance, df = deletion_variance(product.deleted_NM)
        answers.append(_answer(product.finite, variance / N**2 + scale / size, df))
    return answers
