"""Inner products of objectives' gradients from grouped gradient sums, without using a rollout twice.

The input is, for every prompt, fold and outcome (wrong, right), the sum of the responses' score
gradients (or its sketch) and the counts. An objective is a set of coefficients on those sums. Then
⟨∇J_j, ∇J_k⟩ of any two objectives follows:

* products of different prompts use all responses of both;
* a prompt's product with itself takes two different responses, of different folds: pairing a rollout with
  itself would add its noise to the square of the signal. For two pass@k the weight of a pair is counted
  over the n - 2 other responses; for any other objectives each factor is computed inside its fold.

Errors come from deleting one response at a time, in both factors (the direction's own error counts), added
up by fold, since sums are all that is kept. Suffixes name axes: J objectives, N prompts, M folds,
O outcomes (0 wrong, 1 right; P, Q further ones), D sketch.

Reference: arXiv 2602.21189, Prop. 4.1, for the products; the estimators are this project's
(docs/statistics.md).
"""

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from acute.core.blocks import Rows, Sums, blocks
from acute.core.estimators import pass_at_k_advantages, pass_at_k_pair_advantages, plug_in_weight

Floats = NDArray[np.float64]
Advantage = Callable[[Floats, Floats], tuple[Floats, Floats]]  # (n, c) -> (of a success, of a failure)


@dataclass(frozen=True)
class PassAtK:
    """∇J_k's unbiased advantages, as an objective for `coefficients`."""

    k: int

    def __call__(self, n: Floats, c: Floats) -> tuple[Floats, Floats]:
        """Advantages of a success and of a failure in a group of (n, c)."""
        return pass_at_k_advantages(n, c, self.k)


@dataclass(frozen=True)
class Mixture:
    """A linear combination of objectives."""

    terms: tuple[tuple[float, Advantage], ...]

    def __call__(self, n: Floats, c: Floats) -> tuple[Floats, Floats]:
        """Advantages of a success and of a failure in a group of (n, c)."""
        parts = [(weight, *advantage(n, c)) for weight, advantage in self.terms]
        zero = np.zeros(np.shape(n))
        return sum((w * up for w, up, _ in parts), zero), sum((w * down for w, _, down in parts), zero)


def _powers(objective: Advantage) -> Floats | None:
    """The prompt weight as a polynomial in 1 - p, lowest power first; None if it is no mixture of pass@k."""
    if isinstance(objective, PassAtK):
        return np.asarray(np.eye(objective.k)[-1] * objective.k)
    if not isinstance(objective, Mixture):
        return None
    total = np.zeros(1)
    for weight, of in objective.terms:
        more = _powers(of)
        if more is None:
            return None
        longer, shorter = sorted((total, weight * more), key=len, reverse=True)
        total = longer.copy()
        total[: len(shorter)] += shorter
    return total


@dataclass(frozen=True)
class Coefficients:
    """What each group sum is multiplied by, for every objective.

    `full_JNO`: from all n responses; `less_JNQO`: from all but one of outcome Q. `share_JN` is what a
    prompt counts for in an objective, and already in the former two.
    """

    n_NM: Floats
    c_NM: Floats
    objective_J: tuple[Advantage, ...]
    share_JN: Floats
    full_JNO: Floats
    less_JNQO: Floats

    def __add__(self, other: "Coefficients") -> "Coefficients":
        """Both lists of objectives, one after the other."""
        names = ("share_JN", "full_JNO", "less_JNQO")
        joined = [np.concatenate([getattr(self, name), getattr(other, name)]) for name in names]
        return Coefficients(self.n_NM, self.c_NM, self.objective_J + other.objective_J, *joined)

    def restricted(self, share_JN: Floats) -> "Coefficients":
        """One objective (J = 1) restricted to some prompts, once for each row of shares."""
        return Coefficients(
            self.n_NM,
            self.c_NM,
            self.objective_J * len(share_JN),
            self.share_JN * share_JN,
            self.full_JNO * share_JN[:, :, None],
            self.less_JNQO * share_JN[:, :, None, None],
        )

    def only(self, j: int) -> "Coefficients":
        """One of the objectives."""
        kept = (self.share_JN[[j]], self.full_JNO[[j]], self.less_JNQO[[j]])
        return Coefficients(self.n_NM, self.c_NM, (self.objective_J[j],), *kept)

    def combined(self, mix_KJ: Floats) -> "Coefficients":
        """Linear combinations of objectives over all prompts; NaN only where one that takes part is."""

        def mixed(of_J: Floats) -> Floats:
            rows = [sum(x * part for x, part in zip(row, of_J, strict=True) if x) for row in mix_KJ]
            return np.stack([np.broadcast_to(row, of_J.shape[1:]) for row in rows])

        mixtures = tuple(
            Mixture(tuple((float(x), a) for x, a in zip(row, self.objective_J, strict=True) if x))
            for row in mix_KJ
        )
        shares = np.ones((len(mix_KJ), self.share_JN.shape[1]))
        return Coefficients(
            self.n_NM, self.c_NM, mixtures, shares, mixed(self.full_JNO), mixed(self.less_JNQO)
        )

    def fold_NMO(self, j: int) -> Floats:
        """Objective j from each fold alone."""
        found = _per_response(self.objective_J[j], self.n_NM, self.c_NM)
        return np.asarray(self.share_JN[j][:, None, None] * found)


def _per_response(advantage: Advantage, n: Floats, c: Floats) -> Floats:
    """Advantages divided by n, outcomes last; 0 for an outcome that no response has."""
    success, failure = advantage(n, c)
    found = np.stack([failure, success], -1) / np.maximum(n, 1)[..., None]
    empty = np.stack([c == n, c == 0], -1)
    # too few responses for this objective must stay NaN even where no response carries the value
    return np.where(empty & np.isfinite(found), 0.0, found)


def coefficients(advantages: Sequence[Advantage], n_NM: Floats, c_NM: Floats) -> Coefficients:
    """Coefficients of objectives given as advantages of a success and a failure in a group of (n, c).

    Reference: Eq. 4 summed by outcome: A₊ S₁ + A₋ S₀ for any advantages.
    """
    n_N, c_N = n_NM.sum(1), c_NM.sum(1)
    less = np.maximum(n_N - 1, 0)
    n_3N = np.stack([n_N, less, less])  # all responses; without a failure; without a success
    c_3N = np.stack([c_N, np.minimum(c_N, less), np.maximum(c_N - 1, 0)])
    found = np.stack([_per_response(a, n_3N, c_3N) for a in advantages])
    shares = np.ones((len(advantages), len(n_N)))
    less_JNQO = found[:, 1:].swapaxes(1, 2)
    return Coefficients(n_NM, c_NM, tuple(advantages), shares, found[:, 0], less_JNQO)


def unbiased(k: int) -> Advantage:
    """∇J_k's unbiased advantages, as an objective for `coefficients`.

    Reference: Eqs. 2-4, without bias: the leave-one-out weight and baseline.
    """
    return PassAtK(k)


def plug_in(k: int) -> Advantage:
    """The paper's: weight k (1 - c/n)^(k-1) on successes, no baseline; biased, kept for comparison.

    Reference: Eqs. 3 and 4 with p replaced by c/n, as in section 5 of arXiv 2602.21189.
    """
    return lambda n, c: (plug_in_weight(np.maximum(n, 1), c, k), np.zeros_like(n))


@dataclass(frozen=True)
class Product:
    """⟨∇J_j, ∇J_k⟩ and what its errors are made of.

    `finite` is about these prompts, `population` about the distribution they come from (NaN for a
    single prompt, as `finite` is for a single fold); `naive` uses the same rollouts in both factors.
    `deviation_NM` is what a fold adds to the error of N · finite, to first order: its squares, added up over
    folds and prompts, estimate the variance. `psi_N` is each prompt's influence on `population`.
    """

    finite: float
    population: float
    naive: float
    deviation_NM: Floats
    psi_N: Floats


def weighted(sums_NMOD: Sums | Rows, weight_of: Callable[[slice], Floats], rows: int) -> Floats:
    """Σ of all group sums, weighted, (R, D): `weight_of` some prompts (R, n, O); NaN weights count as 0.

    Reference: Eq. 2 as a sum over group sums.
    """
    N, M, outcomes, D = sums_NMOD.shape
    found, dtype = np.zeros((rows, D)), sums_NMOD.dtype
    for part in blocks(N, M * outcomes * D * dtype.itemsize):
        total = sums_NMOD[part].sum(1).reshape(-1, D)
        found += np.nan_to_num(weight_of(part)).reshape(-1, len(total)).astype(dtype) @ total
    return found


def mean_gradients(sums_NMOD: Sums | Rows, full_JNO: Floats) -> Floats:
    """The mean over prompts of each objective's gradient, (J, D); NaN coefficients count as 0.

    Reference: Eq. 2.
    """
    total_JD = weighted(sums_NMOD, lambda part: full_JNO[:, part], len(full_JNO))
    return np.asarray(total_JD / sums_NMOD.shape[0])


class Products:
    """All inner products among the objectives of `coefficients`, from two passes over blocks of the sums."""

    def __init__(self, sums_NMOD: Sums | Rows, coefs: Coefficients) -> None:
        N, M, outcomes, D = sums_NMOD.shape
        self.N, self.M, self.coefs, self.sums_NMOD = N, M, coefs, sums_NMOD
        mean_JD, dtype = mean_gradients(sums_NMOD, coefs.full_JNO), sums_NMOD.dtype
        self.with_mean_NMOJ = np.empty((N, M, outcomes, len(mean_JD)))
        self.own_NMOPQ = np.empty((N, M, outcomes, M, outcomes))
        direction = mean_JD.T.astype(dtype)
        for part in blocks(N, M * outcomes * D * dtype.itemsize):
            grouped = sums_NMOD[part].reshape(-1, M * outcomes, D)
            self.with_mean_NMOJ[part] = (grouped @ direction).reshape(-1, M, outcomes, len(mean_JD))
            own = grouped @ grouped.transpose(0, 2, 1)
            self.own_NMOPQ[part] = own.reshape(-1, M, outcomes, M, outcomes)
        self.total_NOQ = self.own_NMOPQ.sum((1, 3))
        self.crossed_NOQ = self.total_NOQ - np.einsum("nmomq->noq", self.own_NMOPQ)  # different folds
        self._own_powers: dict[int, Floats] = {}
        self._forget()

    def _forget(self) -> None:
        self._found: dict[tuple[int, int], Product] = {}
        self._maps: dict[int, Floats] = {}

    def combined(self, mix_KJ: Floats) -> "Products":
        """The products among linear combinations of the objectives, without a further pass over the sums."""
        other = copy(self)
        other.coefs = self.coefs.combined(mix_KJ)
        other.with_mean_NMOJ = self.with_mean_NMOJ @ mix_KJ.T
        other._forget()
        return other

    def product(self, j: int, k: int) -> Product:
        """The product of two objectives; NaN where too few responses admit one of them."""
        if (j, k) not in self._found:
            self._found[j, k] = self._product(j, k)
        return self._found[j, k]

    def _product(self, j: int, k: int) -> Product:
        N, full = self.N, self.coefs.full_JNO
        with_k_NO = self.with_mean_NMOJ[..., k].sum(1)
        naive = (full[j] * with_k_NO).sum() / N
        own_naive = np.einsum("no,noq,nq->n", full[j], self.total_NOQ, full[k])
        finite = naive + (self.own(j, k) - own_naive).sum() / N**2
        population = (N**2 * naive - own_naive.sum()) / (N * (N - 1)) if N > 1 else np.nan

        others, deviation = self._with_other_prompts(j, k), self.deviation(j, k)
        others = others + (others if j == k else self._with_other_prompts(k, j))
        deviation = deviation + (deviation if j == k else self.deviation(k, j))
        psi = others * N / max(N - 1, 1) - 2 * population
        return Product(float(finite), float(population), float(naive), deviation, psi)

    def interactions(self, asked: Sequence[tuple[int, int, Floats]]) -> list[float]:
        """E[ψ ψ' h(x, x')] for each (j, k, ψ): how far two prompts that lie high are, together, higher still.

        h is what the pair adds to the product of j and k beyond the influences of its two prompts, ψ (N,) any
        influence. It bends the law of `population` as skewness does, being quadratic in the gradients. All
        that are asked for at once take one pass over the sums.

        Reference: the second-order kernel of a U-statistic in Helmers 1991, Ann. Statist. 19.
        """
        N, full = self.N, self.coefs.full_JNO
        which = [i for j, k, _ in asked for i in (j, k)]
        psi_RN = np.repeat([psi for _, _, psi in asked], 2, axis=0)
        sums_RD = weighted(self.sums_NMOD, lambda part: full[which, part] * psi_RN[:, part, None], len(which))
        found = []
        for (j, k, psi_N), first_D, second_D in zip(asked, sums_RD[::2], sums_RD[1::2], strict=True):
            product = self.product(j, k)
            itself = (psi_N**2 * np.einsum("no,noq,nq->n", full[j], self.total_NOQ, full[k])).sum()
            pairs = first_D @ second_D - itself
            # the influences' own part of a pair, Σ_{x≠x'} ψ ψ' (θ + (ψ_h + ψ_h')/2), with Σψ = 0
            influences = -product.population * (psi_N**2).sum() - (psi_N**2 * product.psi_N).sum()
            found.append(float((pairs - influences) / (N * (N - 1))))
        return found

    def own(self, j: int, k: int) -> Floats:
        """Each prompt's product with itself, from pairs of responses of different folds."""
        coefs = self.coefs
        if self.M == 1:
            return np.full(self.N, np.nan)  # one fold has no other to be paired with
        one, other = _powers(coefs.objective_J[j]), _powers(coefs.objective_J[k])
        if one is not None and other is not None:
            product = np.convolve(one, other)
            total = sum(x * self._own_power(m) for m, x in enumerate(product) if x)
            return np.asarray(coefs.share_JN[j] * coefs.share_JN[k] * total)
        found = np.einsum("nmo,nmopq,npq->nmp", coefs.fold_NMO(j), self.own_NMOPQ, coefs.fold_NMO(k))
        between = found.sum((1, 2)) - np.einsum("nmm->n", found)
        return np.asarray(between / (self.M * (self.M - 1)))

    def _own_power(self, m: int) -> Floats:
        """(1 - p)**m ‖∇p‖² of each prompt, from pairs of responses of different folds."""
        if m not in self._own_powers:
            n_NM, c_NM = self.coefs.n_NM, self.coefs.c_NM
            n_N = n_NM.sum(1)
            each = pass_at_k_pair_advantages(n_N, c_NM.sum(1), 1, m + 1) / (m + 1)
            pairs = n_N**2 - (n_NM**2).sum(1)
            self._own_powers[m] = (each * self.crossed_NOQ).sum((1, 2)) / np.where(pairs > 0, pairs, np.nan)
        return self._own_powers[m]

    def _with_other_prompts(self, j: int, k: int) -> Floats:
        """Each prompt's ĝ_j along ∇J_k less the prompt's own part, (N,)."""
        full = self.coefs.full_JNO
        own_part_NO = np.einsum("noq,nq->no", self.total_NOQ, full[k]) / self.N
        return np.asarray((full[j] * (self.with_mean_NMOJ[..., k].sum(1) - own_part_NO)).sum(1))

    def deviation(self, j: int, k: int) -> Floats:
        """What each fold adds to the error of prompt x's ĝ_j along ∇J_k; (N, M).

        The direction holds x's own part from all folds: a fold's deviation from their mean does not
        correlate with that mean, and what the mean's noise adds is the second-order part of the
        own-prompt product's variance (all of it for M = 2, a little more for M > 2).
        """
        return self._folds(j, self.with_mean_NMOJ[..., k])

    def own_deviation(self, j: int, k: int) -> Floats:
        """What each fold adds to the error of its own prompt's ⟨ĝ_j(x), ∇J_k⟩, in both factors; (N, M)."""
        along_NMO = np.einsum("nmopq,nq->nmo", self.own_NMOPQ, self.coefs.full_JNO[j]) / self.N
        return self.deviation(j, k) + self._folds(k, along_NMO)

    def _folds(self, j: int, along_NMO: Floats) -> Floats:
        """What each fold adds to the error of ĝ_j(x)·v, given the group sums along v; (N, M)."""
        if j not in self._maps:
            self._maps[j] = deviation_map(self.coefs, j).reshape(self.N, self.M, -1)
        return np.asarray((self._maps[j] @ along_NMO.reshape(self.N, -1, 1))[:, :, 0])


def deviation_map(coefs: Coefficients, j: int) -> Floats:
    """What to multiply the group sums with to have what each fold adds to the error of ĝ_j(x); (N, M, M, O).

    Squares added up over folds (the first M) are the delete-one-response jackknife's variance, estimated
    from folds: response i changes ĝ_j by D_i / n, D_i = (n - 1)(ĝ_j - the same without i), which is linear
    in its own gradient, so that sums of D_i over a fold follow from group sums.

    Not in the paper, which gives no intervals: the error of eq. 4's estimate by folds.
    """
    full_NO, less_NQO = coefs.full_JNO[j], coefs.less_JNQO[j]
    n_NM, c_NM = coefs.n_NM, coefs.c_NM
    n_N, M = n_NM.sum(1), n_NM.shape[1]
    count_NMQ = np.stack([n_NM - c_NM, c_NM], 2)
    found = np.repeat((count_NMQ @ (full_NO[:, None] - less_NQO))[:, :, None], M, 2)
    itself = np.arange(M)
    found[:, itself, itself] += np.einsum("nqq->nq", less_NQO)[:, None]
    found = found - (n_NM / n_N[:, None])[:, :, None, None] * found.sum(1, keepdims=True)
    apart_N = np.sqrt(n_N**2 - (n_NM**2).sum(1))
    scale_N = np.divide(n_N - 1, apart_N, out=np.full(len(n_N), np.nan), where=apart_N > 0)
    return np.asarray(found * scale_N[:, None, None, None])


def first_negative(k: Sequence[int], inner: Sequence[float]) -> int | None:
    """k†: the smallest k whose ⟨∇J_k, ∇J_1⟩ is negative; None if there is none. NaN counts as unknown.

    Reference: the exact counterpart of k* in arXiv 2602.21189, Prop. 4.5.
    """
    return next((a for a, b in zip(k, inner, strict=True) if b < 0), None)
