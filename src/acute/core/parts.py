"""What each prompt, or each group of prompts, adds to ⟨∇J_k, ∇J_1⟩, with its error.

The same numbers as objectives restricted to a group (`Coefficients.restricted`), without an objective a
group: time grows with the square of the number of prompts only in one matrix product, memory not at all.
Suffixes name axes: G groups, N prompts, M folds, O outcomes, D sketch.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from acute.core.blocks import BYTES, Rows, Sums, blocks
from acute.core.products import Products

Floats = NDArray[np.float64]


class Parts(NamedTuple):
    """Σ over a group's prompts of w_k a, and the variance of that sum.

    `variance_G` is the sum over all prompts of what deleting their folds changes, `squares_G` the sum of the
    squares, from which degrees of freedom follow. NaN where too few responses admit the objective.
    """

    value_G: Floats
    variance_G: Floats
    squares_G: Floats


def _contrasts(M: int) -> Floats:
    """M - 1 orthonormal rows that do not see a shift; (M - 1, M)."""
    raw = np.eye(M) - 1 / M
    return np.asarray(np.linalg.svd(raw)[2][: M - 1])


def _own(products: Products, j: int) -> tuple[Floats, Floats]:
    """Each prompt's w_j a, (N,), and its change when a fold of the prompt is left out of the weight, (N, M).

    Objective 0 is the direction.
    """
    N, M = products.N, products.M
    coefs = products.coefs
    full, fold, rest = coefs.full_JNO[j], coefs.fold_JNMO[j], coefs.rest_JNMO[j]
    own, direction = products.own_NMOPQ, products.with_mean_NMOJ[..., 0]
    along = np.einsum("no,nmo->n", full, direction)
    same = np.einsum("no,nmopq,nq->n", full, own, coefs.full_JNO[0])
    crossed = np.einsum("nmo,nmopq,npq->nmp", fold, own, coefs.fold_JNMO[0])
    pairs = M * (M - 1) if M > 1 else np.nan
    between = (crossed.sum((1, 2)) - np.einsum("nmm->n", crossed)) / pairs
    without = np.einsum("nmo,mp,npo->nm", rest, 1 - np.eye(M), direction)
    return np.asarray(along + (between - same) / N), np.asarray(without)


def _gradients(sums: Sums | Rows, full_NO: Floats, group_N: NDArray[np.int64], some: slice) -> Sums:
    """Σ of the gradients of each group's prompts, for the groups of a slice."""
    found = np.zeros((some.stop - some.start, sums.shape[3]), sums.dtype)
    members = np.flatnonzero((group_N >= some.start) & (group_N < some.stop))
    for block in blocks(len(members), _row_bytes(sums)):
        x = members[block]
        gradient = np.einsum("no,nod->nd", full_NO[x].astype(sums.dtype), sums[x].sum(1))
        np.add.at(found, group_N[x] - some.start, gradient)
    return found


def _without_folds(sums: Sums | Rows, rest_NMO: Floats) -> Iterator[tuple[slice, Sums]]:
    """Block by block, contrasts between a prompt's gradients without one fold; (n, M - 1, D)."""
    M = sums.shape[1]
    contrast = _contrasts(M)
    for block in blocks(sums.shape[0], _row_bytes(sums)):
        # Σ_m h_m rest_m · (all folds but m) = Σ_p sums_p · Σ_{m ≠ p} h_m rest_m
        weight = np.einsum("hm,nmo,mp->nhpo", contrast, rest_NMO[block], 1 - np.eye(M)).astype(sums.dtype)
        n, D = block.stop - block.start, sums.shape[3]
        yield block, weight.reshape(n, M - 1, -1) @ sums[block].reshape(n, -1, D)


def _row_bytes(sums: Sums | Rows) -> int:
    return int(np.prod(sums.shape[1:])) * sums.dtype.itemsize


def parts(sums: Sums | Rows, products: Products, j: int, group_N: NDArray[np.int64]) -> Parts:
    """Σ_x w a over the prompts of each group, for objective `j` of `products` against its objective 0.

    `sums` (N, M, O, D) are those that `products` was made from; `group_N` numbers each prompt's group from
    0, -1 for none. The error is that of these prompts: a group's own responses, and all prompts' responses
    through ∇J_1.

    Reference: arXiv 2602.21189, eq. 8 and Prop. 4.1; errors as in `Products`.
    """
    coefs, N = products.coefs, products.N
    groups = int(group_N.max(initial=-1)) + 1
    value_N, without_NM = _own(products, j)
    inside = group_N >= 0
    value_G = np.bincount(group_N[inside], value_N[inside], groups).astype(float)
    variance_G, squares_G = np.zeros((2, groups))
    M = products.M
    own_NH = without_NM @ _contrasts(M).T
    for some in blocks(groups, sums.shape[3] * sums.dtype.itemsize, 2 * BYTES):
        gradient_GD = _gradients(sums, coefs.full_JNO[j], group_N, some) / sums.dtype.type(N)
        for block, contrast_NHD in _without_folds(sums, coefs.rest_JNMO[0]):
            n, H, D = contrast_NHD.shape
            change = (gradient_GD @ contrast_NHD.reshape(n * H, D).T).astype(float).reshape(-1, n, H)
            here = np.flatnonzero((group_N[block] >= some.start) & (group_N[block] < some.stop))
            change[group_N[block][here] - some.start, here] += own_NH[block][here]
            variance = (M - 1) / M * (change**2).sum(2)
            variance_G[some] += variance.sum(1)
            squares_G[some] += (variance**2).sum(1)
    return Parts(value_G, variance_G, squares_G)
