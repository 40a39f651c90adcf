"""The prompt similarity kernel κ(x, x') = ⟨∇p(x), ∇p(x')⟩ with its errors, from the sketches.

Suffixes name axes: N prompts, M folds, O outcomes (wrong, right), D sketch.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from acute.core.products import coefficients, unbiased
from acute.measure.conflict import Measured

Floats = NDArray[np.float64]


class Kernel(NamedTuple):
    """κ and its standard error, both (N, N); NaN rows for prompts that show no gradient."""

    kernel_NN: Floats
    se_NN: Floats


def kernel(measured: Measured) -> Kernel:
    """κ of every pair of prompts, unbiased, with the error of rollouts and sketch.

    Different prompts: all responses of both. A prompt with itself: different folds. A prompt without a
    success or without a failure shows no gradient: its row and column are unknown, not 0.

    Reference: arXiv 2602.21189, eqs. 5–6.
    """
    coefs = coefficients([unbiased(1)], measured.n_NM, measured.c_NM)
    full_NO, fold_NMO, rest_NMO = coefs.full_JNO[0], coefs.fold_JNMO[0], coefs.rest_JNMO[0]
    sums = measured.sums_NMOD
    N, M = sums.shape[:2]
    gradient_ND = np.einsum("no,nmod->nd", full_NO, sums)
    total_NOD = sums.sum(1)
    found = gradient_ND @ gradient_ND.T
    folds_NMD = np.einsum("nmo,nmod->nmd", fold_NMO, sums)
    within = np.einsum("nmd,npd->nmp", folds_NMD, folds_NMD)
    np.fill_diagonal(found, (within.sum((1, 2)) - np.einsum("nmm->n", within)) / (M * (M - 1)))

    variance = np.zeros((N, N))
    along = np.empty((M, N, N))  # each prompt without a fold, along every prompt's gradient
    for m in range(M):
        without = np.einsum("no,nod->nd", rest_NMO[:, m], total_NOD - sums[:, m])
        along[m] = without @ gradient_ND.T
    spread = (M - 1) / M * ((along - along.mean(0)) ** 2).sum(0)
    variance = spread + spread.T
    np.fill_diagonal(variance, 4 * np.diag(spread))  # both factors move together
    norms = np.clip(np.diag(found), 0, None)
    variance += (np.outer(norms, norms) + found**2) / measured.sketch_size
    silent = (measured.c_N == 0) | (measured.c_N == measured.n_N)
    for matrix in (found, variance):
        matrix[silent] = np.nan
        matrix[:, silent] = np.nan
    return Kernel(found.astype(float), np.sqrt(variance))
