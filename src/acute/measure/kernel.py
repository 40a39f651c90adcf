"""The prompt similarity kernel κ(x, x') = ⟨∇p(x), ∇p(x')⟩ with its errors, from the sketches.

Suffixes name axes: N prompts, M folds, O outcomes (wrong, right), D sketch.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from acute.core.blocks import blocks
from acute.core.parts import contrasts
from acute.core.products import Products, coefficients, deviation_map, unbiased
from acute.measure.conflict import Measured

Floats = NDArray[np.float64]


class Kernel(NamedTuple):
    """κ, its standard error, and what the sketch alone adds to that; all (N, N).

    NaN rows for prompts that show no gradient.
    """

    kernel_NN: Floats
    se_NN: Floats
    sketch_se_NN: Floats


def kernel(measured: Measured) -> Kernel:
    """κ of every pair of prompts, unbiased, with the error of rollouts and sketch.

    Different prompts: all responses of both. A prompt with itself: different folds. A prompt without a
    success or without a failure shows no gradient: its row and column are unknown, not 0.

    Reference: arXiv 2602.21189, eqs. 5–6.
    """
    coefs = coefficients([unbiased(1)], measured.n_NM, measured.c_NM)
    full_NO, map_NMMO = coefs.full_JNO[0], deviation_map(coefs, 0)
    sums, (N, M, outcomes, D) = measured.sums_NMOD, measured.sums_NMOD.shape
    parts = list(blocks(N, M * outcomes * D * sums.dtype.itemsize))
    gradient_ND = np.empty((N, D), sums.dtype)
    for part in parts:
        gradient_ND[part] = np.einsum("no,nod->nd", full_NO[part].astype(sums.dtype), sums[part].sum(1))
    found, spread = (gradient_ND @ gradient_ND.T).astype(float), np.empty((N, N))
    for part in parts:  # each prompt's error along every prompt's gradient
        contrast_RD = contrasts(sums, map_NMMO, part).reshape(-1, D)
        along = (contrast_RD @ gradient_ND.T).reshape(-1, M - 1, N)
        spread[part] = np.einsum("nhx,nhx->nx", along, along)
    np.fill_diagonal(found, Products(sums, coefs).own(0, 0))
    variance = spread + spread.T
    np.fill_diagonal(variance, 4 * np.diag(spread))  # both factors move together
    norms = np.clip(np.diag(found), 0, None)
    sketched = (np.outer(norms, norms) + found**2) / measured.sketch_size
    variance += sketched
    silent = (measured.c_N == 0) | (measured.c_N == measured.n_N)
    for matrix in (found, variance, sketched):
        matrix[silent] = np.nan
        matrix[:, silent] = np.nan
    return Kernel(found, np.sqrt(variance), np.sqrt(sketched))
