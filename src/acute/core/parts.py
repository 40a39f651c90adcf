"""What each prompt, or each group of prompts, adds to ⟨∇J_k, ∇J_1⟩, with its error.

The same numbers as objectives restricted to a group (`Coefficients.restricted`), without an objective a
group. Every prompt's noise moves every group's sum through ∇J_1: one product of all groups with all prompts,
which for more groups than `MOST` is made with so many prompts alone, drawn among all. Memory does not grow.
Suffixes name axes: G groups, N prompts, M folds, O outcomes, D sketch.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from acute.core.blocks import BYTES, Rows, Sums, blocks
from acute.core.products import Products, deviation_map

Floats = NDArray[np.float64]
Index = NDArray[np.int64]
MOST = 2048  # groups up to which, and prompts from which, the error through ∇J_1 is taken


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


def values(products: Products, j: int) -> Floats:
    """Each prompt's w_j a, (N,), without its error. Objective 0 is the direction.

    Reference: Eq. 9, prompt by prompt.
    """
    full = products.coefs.full_JNO
    along = (full[j] * products.with_mean_NMOJ[..., 0].sum(1)).sum(1)
    same = np.einsum("no,noq,nq->n", full[j], products.total_NOQ, full[0])
    return np.asarray(along + (products.own(j, 0) - same) / products.N)


def _gradients(sums: Sums | Rows, full_NO: Floats, group_N: Index, some: slice) -> Sums:
    """Σ of the gradients of each group's prompts, for the groups of a slice."""
    found = np.zeros((some.stop - some.start, sums.shape[3]), sums.dtype)
    members = np.flatnonzero((group_N >= some.start) & (group_N < some.stop))
    for block in blocks(len(members), _row_bytes(sums)):
        x = members[block]
        gradient = np.einsum("no,nod->nd", full_NO[x].astype(sums.dtype), sums[x].sum(1))
        np.add.at(found, group_N[x] - some.start, gradient)
    return found


def contrasts(sums: Sums | Rows, map_NMPO: Floats, x: Index | slice) -> Sums:
    """Contrasts between what the folds of the prompts `x` add to their errors; (n, M - 1, D).

    `map_NMPO` is `deviation_map`'s. Squares added up over contrasts are those added up over folds.

    Not in the paper, which gives no intervals: differences between folds, from which errors follow.
    """
    grouped = sums[x]
    n, M, outcomes, D = grouped.shape
    weight = np.einsum("hm,nmpo->nhpo", _contrasts(M), map_NMPO[x]).astype(sums.dtype)
    return np.asarray(weight.reshape(n, M - 1, M * outcomes) @ grouped.reshape(n, M * outcomes, D))


def _row_bytes(sums: Sums | Rows) -> int:
    return int(np.prod(sums.shape[1:])) * sums.dtype.itemsize


def parts(sums: Sums | Rows, products: Products, j: int, group_N: Index, most: int = MOST) -> Parts:
    """Σ_x w a over the prompts of each group, for objective `j` of `products` against its objective 0.

    `sums` (N, M, O, D) are those that `products` was made from; `group_N` numbers each prompt's group from
    0, -1 for none. The error is that of these prompts: a group's own responses, and all prompts' responses
    through ∇J_1; of more than `most` groups, those of `most` prompts, the same whenever they are drawn.

    Reference: arXiv 2602.21189, eq. 8 and Prop. 4.1; errors as in `Products`.
    """
    coefs, M = products.coefs, products.M
    groups = int(group_N.max(initial=-1)) + 1
    inside = group_N >= 0
    value_G = np.bincount(group_N[inside], values(products, j)[inside], groups).astype(float)
    own_NH = products.deviation(j, 0) @ _contrasts(M).T  # deviations sum to 0 over folds
    shared = _Shared(sums, coefs.full_JNO[j] / products.N, deviation_map(coefs, 0), group_N, own_NH)
    found = shared.of_all(groups) if groups <= most else shared.of_some(groups, most)
    return Parts(value_G, *found)


class _Shared(NamedTuple):
    """What the groups' errors follow from: sums, weights of the groups' sums, the prompts' own deviations."""

    sums: Sums | Rows
    weight_NO: Floats
    map_NMPO: Floats
    group_N: Index
    own_NH: Floats

    def of_all(self, groups: int) -> tuple[Floats, Floats]:
        """Variances of the groups' sums and sums of their squares, from every prompt."""
        N, M, _, D = self.sums.shape
        variance_G, squares_G = np.zeros((2, groups))
        itemsize = self.sums.dtype.itemsize
        for some in blocks(groups, D * itemsize, 2 * BYTES):
            gradient_GD = _gradients(self.sums, self.weight_NO, self.group_N, some)
            for block in blocks(N, _row_bytes(self.sums)):
                contrast_NHD = contrasts(self.sums, self.map_NMPO, block)
                for few in blocks(len(contrast_NHD), len(gradient_GD) * M * itemsize, BYTES // 4):
                    at = slice(block.start + few.start, block.start + few.stop)
                    here = (self.group_N[at] - some.start, self.own_NH[at])
                    variance_GN = _changes(gradient_GD, contrast_NHD[few], *here)
                    variance_G[some] += variance_GN.sum(1)
                    squares_G[some] += np.einsum("gn,gn->g", variance_GN, variance_GN)
        return variance_G, squares_G

    def of_some(self, groups: int, most: int) -> tuple[Floats, Floats]:
        """As `of_all`, from a group's own prompts and from some of the others, counted for all of them."""
        _, M, _, D = self.sums.shape
        itemsize = self.sums.dtype.itemsize
        variance_G, squares_G = np.zeros((2, groups))
        noisy = np.flatnonzero(np.abs(self.map_NMPO).sum((1, 2, 3)) > 0)  # others add nothing
        if not len(noisy):
            return variance_G, squares_G
        room = max(256, 4 * BYTES // (M * D * itemsize))
        drawn = np.sort(np.random.default_rng(0).permutation(noisy)[: min(most, room)])
        contrast_NHD = np.concatenate(
            [contrasts(self.sums, self.map_NMPO, drawn[b]) for b in blocks(len(drawn), _row_bytes(self.sums))]
        )
        none_NH = np.zeros((len(drawn), M - 1))
        for some in blocks(groups, max(D, len(drawn) * M) * itemsize, 2 * BYTES):
            gradient_GD = _gradients(self.sums, self.weight_NO, self.group_N, some)
            row_N = self.group_N[drawn] - some.start
            variance_GN = _changes(gradient_GD, contrast_NHD, row_N, none_NH)
            here = np.flatnonzero((row_N >= 0) & (row_N < len(gradient_GD)))
            variance_GN[row_N[here], here] = 0  # exactly, below
            times_G = self._times(noisy, drawn, some)
            variance_G[some] = times_G * variance_GN.sum(1)
            squares_G[some] = times_G * np.einsum("gn,gn->g", variance_GN, variance_GN)
            self._add_own(gradient_GD, some, variance_G, squares_G)
        return variance_G, squares_G

    def _times(self, noisy: Index, drawn: Index, some: slice) -> Floats:
        """How many prompts outside each group one drawn prompt outside it stands for."""

        def outside(x: Index) -> NDArray[np.int64]:
            row = self.group_N[x] - some.start
            size = some.stop - some.start
            return len(x) - np.bincount(row[(row >= 0) & (row < size)], minlength=size)

        return np.asarray(outside(noisy) / np.maximum(outside(drawn), 1))

    def _add_own(self, gradient_GD: Sums, some: slice, variance_G: Floats, squares_G: Floats) -> None:
        """Add what the prompts of the groups themselves add to the error of their group's sum."""
        members = np.flatnonzero((self.group_N >= some.start) & (self.group_N < some.stop))
        for block in blocks(len(members), _row_bytes(self.sums)):
            x = members[block]
            along = (
                contrasts(self.sums, self.map_NMPO, x) @ gradient_GD[self.group_N[x] - some.start, :, None]
            )
            variance_N = ((along[:, :, 0] + self.own_NH[x]) ** 2).sum(1)
            np.add.at(variance_G, self.group_N[x], variance_N)
            np.add.at(squares_G, self.group_N[x], variance_N**2)


def _changes(gradient_GD: Sums, contrast_NHD: Sums, row_N: Index, own_NH: Floats) -> Sums:
    """The squared change that each prompt makes to each group's sum; (G, N).

    `row_N` is where a prompt's group stands among the groups; there its own change `own_NH` counts too.
    """
    n, H, D = contrast_NHD.shape
    change = (gradient_GD @ contrast_NHD.reshape(n * H, D).T).reshape(len(gradient_GD), n, H)
    members = np.flatnonzero((row_N >= 0) & (row_N < len(gradient_GD)))
    change[row_N[members], members] += own_NH[members]
    np.square(change, out=change)
    return change[:, :, 0] if H == 1 else change.sum(2)
