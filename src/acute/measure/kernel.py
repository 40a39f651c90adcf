"""The prompt similarity kernel κ(x, x') = ⟨∇p(x), ∇p(x')⟩ with its errors, from the sketches.

Suffixes name axes: N prompts, M folds, O outcomes (wrong, right), D sketch.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from acute.core.blocks import blocks
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
    sums, (N, M, outcomes, D) = measured.sums_NMOD, measured.sums_NMOD.shape
    parts = list(blocks(N, M * outcomes * D * sums.dtype.itemsize))
    gradient_ND = np.concatenate([np.einsum("no,nmod->nd", full_NO[part], sums[part]) for part in parts])
    found = (gradient_ND @ gradient_ND.T).astype(float)
    own_N, spread = np.empty(N), np.empty((N, N))
    for part in parts:
        read = sums[part]
        folds_NMD = np.einsum("nmo,nmod->nmd", fold_NMO[part], read)
        within = folds_NMD @ folds_NMD.transpose(0, 2, 1)
        own_N[part] = (within.sum((1, 2)) - np.einsum("nmm->n", within)) / (M * (M - 1))
        # each prompt without a fold, along every prompt's gradient
        without_NMD = np.einsum("nmo,nmod->nmd", rest_NMO[part], read.sum(1, keepdims=True) - read)
        along = (without_NMD.reshape(-1, D) @ gradient_ND.T).reshape(-1, M, N)
        spread[part] = (M - 1) / M * ((along - along.mean(1, keepdims=True)) ** 2).sum(1)
    np.fill_diagonal(found, own_N)
    variance = spread + spread.T
    np.fill_diagonal(variance, 4 * np.diag(spread))  # both factors move together
    norms = np.clip(np.diag(found), 0, None)
    variance += (np.outer(norms, norms) + found**2) / measured.sketch_size
    silent = (measured.c_N == 0) | (measured.c_N == measured.n_N)
    for matrix in (found, variance):
        matrix[silent] = np.nan
        matrix[:, silent] = np.nan
    return Kernel(found, np.sqrt(variance))
