"""Inner products of objectives' gradients from grouped gradient sums, without using a rollout twice.

The input is, for every prompt, fold and outcome (wrong, right), the sum of the responses' score
gradients (or its sketch) and the counts. An objective is a set of coefficients on those sums. Then
⟨∇J_j, ∇J_k⟩ of any two objectives follows:

* products of different prompts use all responses of both;
* a prompt's product with itself pairs different folds, with coefficients computed inside each fold:
  pairing a rollout with itself would add its noise to the square of the signal.

Errors come from deleting one fold of one prompt at a time, in both factors (the direction's own error
counts). Suffixes name axes: J objectives, N prompts, M folds, O outcomes (0 wrong, 1 right), D sketch.

Reference: arXiv 2602.21189, Prop. 4.1, for the products; the estimators are this project's
(docs/statistics.md).
"""

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from acute.core.blocks import Rows, Sums, blocks
from acute.core.estimators import pass_at_k_advantages, plug_in_weight

Floats = NDArray[np.float64]
Advantage = Callable[[Floats, Floats], tuple[Floats, Floats]]  # (n, c) -> (of a success, of a failure)


@dataclass(frozen=True)
class Coefficients:
    """What each group sum is multiplied by, for every objective.

    `full_JNO`: from all n responses; `fold_JNMO`: from one fold alone; `rest_JNMO`: from all but that fold.
    """

    full_JNO: Floats
    fold_JNMO: Floats
    rest_JNMO: Floats

    def __add__(self, other: "Coefficients") -> "Coefficients":
        """Both lists of objectives, one after the other."""
        pairs = [(getattr(self, f), getattr(other, f)) for f in ("full_JNO", "fold_JNMO", "rest_JNMO")]
        return Coefficients(*(np.concatenate(pair) for pair in pairs))

    def restricted(self, share_JN: Floats) -> "Coefficients":
        """One objective (J = 1) restricted to some prompts, once for each row of shares."""
        return Coefficients(
            self.full_JNO * share_JN[:, :, None],
            self.fold_JNMO * share_JN[:, :, None, None],
            self.rest_JNMO * share_JN[:, :, None, None],
        )

    def combined(self, mix_KJ: Floats) -> "Coefficients":
        """Linear combinations of the objectives; NaN only where an objective that takes part is."""

        def mixed(of_J: Floats) -> Floats:
            rows = [sum(x * part for x, part in zip(row, of_J, strict=True) if x) for row in mix_KJ]
            return np.stack([np.broadcast_to(row, of_J.shape[1:]) for row in rows])

        return Coefficients(mixed(self.full_JNO), mixed(self.fold_JNMO), mixed(self.rest_JNMO))


def _per_response(advantage: Advantage, n: Floats, c: Floats) -> Floats:
    """Advantages divided by n, outcomes last; 0 for an outcome that no response has."""
    success, failure = advantage(n, c)
    found = np.stack([failure, success], -1) / np.maximum(n, 1)[..., None]
    empty = np.stack([c == n, c == 0], -1)
    # too few responses for this objective must stay NaN even where no response carries the value
    return np.where(empty & np.isfinite(found), 0.0, found)


def coefficients(advantages: Sequence[Advantage], n_NM: Floats, c_NM: Floats) -> Coefficients:
    """Coefficients of objectives given as advantages of a success and a failure in a group of (n, c)."""
    n_N, c_N = n_NM.sum(1), c_NM.sum(1)
    return Coefficients(
        np.stack([_per_response(a, n_N, c_N) for a in advantages]),
        np.stack([_per_response(a, n_NM, c_NM) for a in advantages]),
        np.stack([_per_response(a, n_N[:, None] - n_NM, c_N[:, None] - c_NM) for a in advantages]),
    )


def unbiased(k: int) -> Advantage:
    """∇J_k's unbiased advantages, as an objective for `coefficients`."""
    return lambda n, c: pass_at_k_advantages(n, c, k)


def plug_in(k: int) -> Advantage:
    """The paper's: weight k (1 - c/n)^(k-1) on successes, no baseline; biased, kept for comparison."""
    return lambda n, c: (plug_in_weight(np.maximum(n, 1), c, k), np.zeros_like(n))


@dataclass(frozen=True)
class Product:
    """⟨∇J_j, ∇J_k⟩ and what its errors are made of.

    `finite` is about these prompts, `population` about the distribution they come from (NaN for a
    single prompt, as `finite` is for a single fold); `naive` uses the same rollouts in both factors.
    `deleted_NM` is the change of N · finite, to first order, when a fold of a prompt is deleted (its mean
    over folds is arbitrary); `psi_N` is each prompt's influence on `population`.
    """

    finite: float
    population: float
    naive: float
    deleted_NM: Floats
    psi_N: Floats


def mean_gradients(sums_NMOD: Sums | Rows, full_JNO: Floats) -> Floats:
    """The mean over prompts of each objective's gradient, (J, D); NaN coefficients count as 0."""
    N, M, outcomes, D = sums_NMOD.shape
    mean_JD, dtype = np.zeros((len(full_JNO), D)), sums_NMOD.dtype
    for part in blocks(N, M * outcomes * D * dtype.itemsize):
        total = sums_NMOD[part].sum(1).reshape(-1, D)
        mean_JD += np.nan_to_num(full_JNO[:, part]).reshape(-1, len(total)).astype(dtype) @ total / N
    return mean_JD


class Products:
    """All inner products among the objectives of `coefficients`, from two passes over blocks of the sums."""

    def __init__(self, sums_NMOD: Sums | Rows, coefs: Coefficients) -> None:
        N, M, outcomes, D = sums_NMOD.shape
        self.N, self.M, self.coefs = N, M, coefs
        mean_JD, dtype = mean_gradients(sums_NMOD, coefs.full_JNO), sums_NMOD.dtype
        self.with_mean_NMOJ = np.empty((N, M, outcomes, len(mean_JD)))
        self.own_NMOPQ = np.empty((N, M, outcomes, M, outcomes))
        direction = mean_JD.T.astype(dtype)
        for part in blocks(N, M * outcomes * D * dtype.itemsize):
            grouped = sums_NMOD[part].reshape(-1, M * outcomes, D)
            self.with_mean_NMOJ[part] = (grouped @ direction).reshape(-1, M, outcomes, len(mean_JD))
            own = grouped @ grouped.transpose(0, 2, 1)
            self.own_NMOPQ[part] = own.reshape(-1, M, outcomes, M, outcomes)

    def combined(self, mix_KJ: Floats) -> "Products":
        """The products among linear combinations of the objectives, without a further pass over the sums."""
        other = copy(self)
        other.coefs = self.coefs.combined(mix_KJ)
        other.with_mean_NMOJ = self.with_mean_NMOJ @ mix_KJ.T
        return other

    def product(self, j: int, k: int) -> Product:
        """The product of two objectives; NaN where too few responses admit one of them."""
        N, M = self.N, self.M
        full, fold, rest = self.coefs.full_JNO, self.coefs.fold_JNMO, self.coefs.rest_JNMO
        own = self.own_NMOPQ
        naive = np.einsum("no,nmo->", full[j], self.with_mean_NMOJ[..., k]) / N
        own_naive = np.einsum("no,nmopq,nq->n", full[j], own, full[k])
        crossed = np.einsum("nmo,nmopq,npq->nmp", fold[j], own, fold[k])
        pairs = M * (M - 1) if M > 1 else np.nan  # one fold has no other to be paired with
        own_crossed = (crossed.sum((1, 2)) - np.einsum("nmm->n", crossed)) / pairs
        finite = naive + (own_crossed - own_naive).sum() / N**2
        population = (N**2 * naive - own_naive.sum()) / (N * (N - 1)) if N > 1 else np.nan

        others_j, others_k = self._with_other_prompts(j), self._with_other_prompts(k)
        psi = np.einsum("no,nmo->n", full[j], others_k) + np.einsum("no,nmo->n", full[k], others_j)
        psi = psi * N / max(N - 1, 1) - 2 * population
        deleted = self._deleted(rest[j], k) + self._deleted(rest[k], j)
        return Product(float(finite), float(population), float(naive), deleted, psi)

    def _with_other_prompts(self, k: int) -> Floats:
        """Each group sum's product with ∇J_k less the prompt's own part, (N, M, O)."""
        own_part = np.einsum("nmopq,nq->nmo", self.own_NMOPQ, self.coefs.full_JNO[k]) / self.N
        return np.asarray(self.with_mean_NMOJ[..., k] - own_part)

    def _deleted(self, rest_j: Floats, k: int) -> Floats:
        """Prompt x's gradient without fold m, along ∇J_k; (N, M).

        The direction holds x's own part from all folds: a fold's deviation from their mean does not
        correlate with that mean, and what the mean's noise adds is the second-order part of the
        own-prompt product's variance (all of it for M = 2, a little more for M > 2).
        """
        not_m = 1 - np.eye(self.M)
        return np.asarray(np.einsum("nmo,mp,npo->nm", rest_j, not_m, self.with_mean_NMOJ[..., k]))


def first_negative(k: Sequence[int], inner: Sequence[float]) -> int | None:
    """k†: the smallest k whose ⟨∇J_k, ∇J_1⟩ is negative; None if there is none. NaN counts as unknown.

    Reference: the exact counterpart of k* in arXiv 2602.21189, Prop. 4.5.
    """
    return next((a for a, b in zip(k, inner, strict=True) if b < 0), None)
