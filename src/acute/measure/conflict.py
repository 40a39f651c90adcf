"""Conflict of pass@k with pass@1, for every k at once: of these prompts and of their distribution.

What is measured once (`Measured`) answers for every k, family and prompt by arithmetic alone.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property

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
    FEWEST,
    UNBENT,
    Bend,
    bend,
    fold_variance,
    from_error,
    p_value_negative,
    pair_variance,
    ratio,
    simultaneous_reach,
)

Floats = NDArray[np.float64]
ROUNDING = 1e-6  # of a squared norm with every rollout in both factors: what terms that cancel may leave
MOST_BIAS = 0.25  # of a cosine, that is taken off: beyond it the expansion says nothing


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


def _answer(value: float, variance: float, df: float, of: Bend = UNBENT) -> Answer:
    if not np.isfinite(value):
        return Answer(None, None)
    found = from_error(value, float(np.sqrt(variance)), df, of=of)
    return Answer(found, p_value_negative(found, df, of))


def squared_norm(product: Product, of: str) -> float:
    """‖∇J‖² as estimated from a gradient's product with itself; 0 where rounding alone is left of it."""
    found = float(getattr(product, of))
    return 0.0 if abs(found) <= ROUNDING * product.naive else found


class Curve:
    """⟨∇J_k, ∇J_1⟩ and the cosine for k = 1 … k_max.

    `also` are advantages of further objectives, asked for as if they were k_max + 1, k_max + 2, …
    """

    def __init__(self, measured: Measured, k_max: int, also: Sequence[Advantage] = ()) -> None:
        self.measured, self.k = measured, list(range(1, k_max + 1))
        objectives = [*(unbiased(k) for k in self.k), *also]
        coefs = coefficients(objectives, measured.n_NM, measured.c_NM)
        self.products = Products(measured.sums_NMOD, coefs)
        self.N, self.size = measured.sums_NMOD.shape[0], measured.sketch_size

    def combined(self, mix_KK: Floats) -> "Curve":
        """The curve whose J_k is Σ_m mix_KK[k-1, m-1] J_m of this one, up to a constant."""
        other = copy(self)
        other.products = self.products.combined(mix_KK)
        for name in ("_inner_bends", "_cosine_bends"):  # of the objectives before
            vars(other).pop(name, None)
        return other

    @property
    def with_first(self) -> list[Product]:
        """⟨∇J_k, ∇J_1⟩ for every k, then for the further objectives."""
        return [self.products.product(i, 0) for i in range(len(self.products.coefs.objective_J))]

    @property
    def norm(self) -> list[Product]:
        """‖∇J_k‖² for every k, then for the further objectives."""
        return [self.products.product(i, i) for i in range(len(self.products.coefs.objective_J))]

    def _three(self, i: int) -> tuple[Product, Product, Product]:
        """⟨∇J_k, ∇J_1⟩, ‖∇J_k‖² and ‖∇J_1‖²."""
        return tuple(self.products.product(*pair) for pair in ((i, 0), (i, i), (0, 0)))  # type: ignore[return-value]

    def _sketch_variance(self, i: int, of: str) -> float:
        """Variance that the sketch adds to ⟨∇J_k, ∇J_1⟩: (‖∇J_k‖²‖∇J_1‖² + inner²) / D."""
        inner, own, first = (getattr(p, of) for p in self._three(i))
        return float((max(own * first, 0.0) + inner**2) / self.size)

    def inner(self, k: int) -> Answer:
        """⟨∇J_k, ∇J_1⟩ of these prompts."""
        i = k - 1
        product = self.products.product(i, 0)
        variance, df = fold_variance(product.deviation_NM)
        total = variance / self.N**2 + self._sketch_variance(i, "finite")
        return _answer(product.finite, total, df)

    def band(self, seed: int) -> list[tuple[float, float] | None]:
        """A 95 % band that ⟨∇J_k, ∇J_1⟩ of these prompts lies in for all k at once; None where unknown."""
        known = [i for i, p in enumerate(self.with_first) if np.isfinite(p.finite)]
        deviations = np.stack([self.with_first[i].deviation_NM for i in known])
        reach = simultaneous_reach(deviations, min(fold_variance(d)[1] for d in deviations), seed)
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
        product = self.products.product(i, 0)
        psi = product.psi_N
        variance, df = pair_variance(psi)
        total = variance + self._sketch_variance(i, "population")
        return _answer(product.population, total, df, self._inner_bends[i])

    @cached_property
    def _inner_bends(self) -> list[Bend]:
        """Of ⟨∇J_k, ∇J_1⟩ of the distribution, for every k and the further objectives, in one pass."""
        if self.N < FEWEST:
            return [UNBENT] * len(self.with_first)
        psi = [product.psi_N for product in self.with_first]
        found = self.products.interactions([(i, 0, psi_N) for i, psi_N in enumerate(psi)])
        return [bend(psi_N, together) for psi_N, together in zip(psi, found, strict=True)]

    def cosine(self, k: int) -> Answer:
        """cos(∇J_k, ∇J_1) of these prompts; None where an estimated squared norm is not positive."""
        return self._cosine(k - 1, "finite")

    def cosine_population(self, k: int) -> Answer:
        """cos(∇J_k, ∇J_1) of the distribution; None where an estimated squared norm is not positive."""
        return self._cosine(k - 1, "population")

    def _cosine(self, i: int, of: str) -> Answer:
        """I / √(‖∇J_k‖² ‖∇J_1‖²) as a ratio; the root's influence to first order, its bias to second."""
        inner = float(getattr(self.products.product(i, 0), of))
        own, first = (squared_norm(p, of) for p in self._three(i)[1:])
        if not (np.isfinite(inner) and own > 0 and first > 0) or (of == "population" and self.N < FEWEST):
            return Answer(None, None)
        if i == 0:
            return Answer(Estimate(1.0, 0.0, 1.0, 1.0), None)  # ∇J_1 with itself: exact by definition
        field = "deviation_NM" if of == "finite" else "psi_N"
        a, b, c = (getattr(p, field) for p in self._three(i))
        scale = float(np.sqrt(own * first))
        of_scale, unequal = scale / 2 * (b / own + c / first), b / own - c / first

        too_large = self._too_large(unequal, of)
        value = min(1.0, abs(inner) / scale / (1 + too_large))
        from_sketch = (1 - value**2) ** 2 * scale**2 / self.size

        def variance_along(r: float) -> tuple[float, float]:
            total, df = self._variance(a - r * of_scale, of)
            return total + from_sketch, df

        bent = self._cosine_bends[i] if of == "population" else UNBENT
        return Answer(ratio(inner, scale, variance_along, (-1.0, 1.0), too_large, bent), None)

    def _variance(self, influence: Floats, of: str) -> tuple[float, float]:
        """Variance of an estimate with these influences, and its degrees of freedom."""
        if of == "population":
            return pair_variance(influence)
        total, df = fold_variance(influence)
        return total / self.N**2, df

    def _too_large(self, unequal: Floats, of: str) -> float:
        """By what share I / √(B C) is too large, given the influence b/B - c/C.

        √ is concave: the mean of √(B C) is less than the truth by (1/8) Var(b/B - c/C) of it.
        """
        return min(self._variance(unequal, of)[0] / 8, MOST_BIAS)

    def scale(self, k: int) -> float:
        """What inner products of these prompts are divided by to be cosines; NaN where it is unknown."""
        _, own, first = self._three(k - 1)
        if not (squared_norm(own, "finite") > 0 and squared_norm(first, "finite") > 0):
            return float("nan")
        unequal = own.deviation_NM / own.finite - first.deviation_NM / first.finite
        return float(np.sqrt(own.finite * first.finite)) * (1 + self._too_large(unequal, "finite"))

    @cached_property
    def _cosine_bends(self) -> dict[int, Bend]:
        """Of I - r √(B C) at the estimated cosine r of the distribution, with the root to second order.

        By objective, for those that have a cosine; together they take one pass over the sums.
        """
        asked: list[tuple[int, int, Floats]] = []
        of: dict[int, tuple[float, ...]] = {}
        for i in range(1, len(self.products.coefs.objective_J)):
            three = self._three(i)
            inner = three[0].population
            own, first = (squared_norm(p, "population") for p in three[1:])
            if not (np.isfinite(inner) and own > 0 and first > 0):
                continue
            a, b, c = (p.psi_N for p in three)
            scale = float(np.sqrt(own * first))
            r = min(max(inner / scale, -1.0), 1.0)
            psi = a - r * scale / 2 * (b / own + c / first)
            asked += [(i, 0, psi), (i, i, psi), (0, 0, psi)]
            of[i] = own, first, scale, r, float((psi * (b / own - c / first)).mean())
        found = iter(self.products.interactions(asked))
        bends = {}
        for i, (_, _, psi) in zip(of, asked[::3], strict=True):
            own, first, scale, r, together = of[i]
            of_i, of_own, of_first = (next(found) for _ in range(3))
            root = scale / 2 * (of_own / own + of_first / first) - scale / 4 * together**2
            bends[i] = bend(psi, of_i - r * root)
        return bends


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
    some = base if k == 1 else coefficients([unbiased(k)], measured.n_NM, measured.c_NM)
    products = Products(measured.sums_NMOD, base + some.restricted(share_JN))
    return [products.product(1 + j, 0) for j in range(len(share_JN))]


def finite_answers(products: Sequence[Product], size: float, scale: float) -> list[Answer]:
    """Intervals of restricted products of these prompts; `scale` is ‖·‖² for the sketch's own error."""
    answers = []
    for product in products:
        variance, df = fold_variance(product.deviation_NM)
        answers.append(_answer(product.finite, variance / len(product.psi_N) ** 2 + scale / size, df))
    return answers


def population_answers(measured: Measured, k: int, share_JN: Floats) -> list[Answer]:
    """⟨∇J_k of a part, ∇J_1⟩ of the prompt distribution, for each row of shares N/N_f · [x in part].

    A part's size is random too. With the share fixed, ψ would leave out that a part drawn more often has a
    smaller share; and the ratio's bias, of order 1/N, is taken off: consistent, not unbiased.
    """
    base = coefficients([unbiased(1)], measured.n_NM, measured.c_NM)
    some = base if k == 1 else coefficients([unbiased(k)], measured.n_NM, measured.c_NM)
    products = Products(measured.sums_NMOD, base + some.restricted(share_JN))
    first = products.product(0, 0).population
    asked, known = [], []
    for j, share_N in enumerate(share_JN, start=1):
        found = products.product(j, 0)
        psi = found.psi_N - found.population * (share_N - 1)
        variance, df = pair_variance(psi)
        value = found.population + float((psi * (share_N - 1)).mean()) / len(psi)
        norm = max(products.product(j, j).population * first, 0.0)
        total = variance + (norm + found.population**2) / measured.sketch_size
        asked.append((j, 0, psi))
        known.append((value, total, df))
    bends = [bend(psi, x) for (_, _, psi), x in zip(asked, products.interactions(asked), strict=True)]
    return [_answer(*members, of) for members, of in zip(known, bends, strict=True)]
