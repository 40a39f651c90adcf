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
from acute.core.products import Products, deviation_map

Floats = NDArray[np.float64]


class Parts(NamedTuple):
    """Σ over a group's prompts of w_k a, and the variance of that sum.

    `variance_G` is the sum over all prompts of what their folds' errors add, `squares_G` the sum of the
    squares, from which degrees of freedom follow. NaN where too few responses admit the objective.
    """

    value_G: Floats
    variance_G: Floats
    squares_G: Floats


def _contrasts(M: int) -> Floats:
    """M - 1 orthonormal rows that do not see a shift; (M - 1, M)."""
    raw = np.eye(M) - 1 / M
    return np.asarray(np.linalg.svd(raw)[2][: M - 1])


def _own(products: Products, j: int) -> Floats:
    """Each prompt's w_j a, (N,). Objective 0 is the direction."""
    full = products.coefs.full_JNO
    along = (full[j] * products.with_mean_NMOJ[..., 0].sum(1)).sum(1)
    same = np.einsum("no,noq,nq->n", full[j], products.total_NOQ, full[0])
    return np.asarray(along + (products.own(j, 0) - same) / products.N)


def _gradients(sums: Sums | Rows, full_NO: Floats, group_N: NDArray[np.int64], some: slice) -> Sums:
    """Σ of the gradients of each group's prompts, for the groups of a slice."""
    found = np.zeros((some.stop - some.start, sums.shape[3]), sums.dtype)
    members = np.flatnonzero((group_N >= some.start) & (group_N < some.stop))
    for block in blocks(len(members), _row_bytes(sums)):
        x = members[block]
        gradient = np.einsum("no,nod->nd", full_NO[x].astype(sums.dtype), sums[x].sum(1))
        np.add.at(found, group_N[x] - some.start, gradient)
    return found


def _deviations(sums: Sums | Rows, map_NMPO: Floats) -> Iterator[tuple[slice, Sums]]:
    """Block by block, contrasts between what the folds add to a prompt's error; (n, M - 1, D)."""
    M = sums.shape[1]
    contrast = _contrasts(M)
    for block in blocks(sums.shape[0], _row_bytes(sums)):
        weight = np.einsum("hm,nmpo->nhpo", contrast, map_NMPO[block]).astype(sums.dtype)
        n, groups, D = block.stop - block.start, M * sums.shape[2], sums.shape[3]
        yield block, weight.reshape(n, M - 1, groups) @ sums[block].reshape(n, groups, D)


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
    groups, M = int(group_N.max(initial=-1)) + 1, products.M
    value_N = _own(products, j)
    inside = group_N >= 0
    value_G = np.bincount(group_N[inside], value_N[inside], groups).astype(float)
    variance_G, squares_G = np.zeros((2, groups))
    own_NH = products.deviation(j, 0) @ _contrasts(M).T  # deviations sum to 0 over folds
    itemsize = sums.dtype.itemsize
    for some in blocks(groups, sums.shape[3] * itemsize, 2 * BYTES):
        gradient_GD = _gradients(sums, coefs.full_JNO[j], group_N, some) / sums.dtype.type(N)
        for block, contrast_NHD in _deviations(sums, deviation_map(coefs, 0)):
            for few in blocks(len(contrast_NHD), len(gradient_GD) * M * itemsize, BYTES // 4):
                prompts = slice(block.start + few.start, block.start + few.stop)
                here = (group_N[prompts] - some.start, own_NH[prompts])
                variance, squares = _variances(gradient_GD, contrast_NHD[few], *here)
                variance_G[some] += variance
                squares_G[some] += squares
    return Parts(value_G, variance_G, squares_G)


def _variances(
    gradient_GD: Sums, contrast_NHD: Sums, row_N: NDArray[np.int64], own_NH: Floats
) -> tuple[Sums, Sums]:
    """Σ over prompts of the squared changes of each group's sum, and Σ of their squares.

    `row_N` is where a prompt's group stands among the groups; there its own change `own_NH` counts too.
    """
    n, H, D = contrast_NHD.shape
    change = (gradient_GD @ contrast_NHD.reshape(n * H, D).T).reshape(len(gradient_GD), n, H)
    members = np.flatnonzero((row_N >= 0) & (row_N < len(gradient_GD)))
    change[row_N[members], members] += own_NH[members]
    np.square(change, out=change)
    variance = change[:, :, 0] if H == 1 else change.sum(2)
    return variance.sum(1), np.einsum("gn,gn->g", variance, variance)
