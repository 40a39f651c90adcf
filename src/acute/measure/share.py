"""The share of an update's weight that hard prompts take, from counts alone."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from acute.core.estimate import Estimate
from acute.measure.intervals import from_error

Floats = NDArray[np.float64]
HARD = 0.10  # p below it is hard, where the configuration sets nothing else: δ2 of the paper
Weight = Callable[[Floats, Floats], Floats]


class HardShare(NamedTuple):
    """Σ W(p) over hard prompts as a share of Σ W(p) over all, and how it was told which are hard."""

    share: Estimate
    cross_fitted: bool
    """Hard by the responses of the other folds. If not, by the same ones, which overstates the share."""


def hard_share(weight: Weight, n_NM: Floats, c_NM: Floats, hard: float = HARD) -> HardShare | None:
    """The share of prompts with p < `hard` in the summed weight; `weight` estimates W(p) from (n, c).

    A prompt that had bad luck looks hard *and* heavy, so which prompts are hard is read from the other folds
    wherever each fold has responses enough for `weight` (NaN: too few). The interval carries prompts and
    rollouts: delete-one-prompt jackknife. None where the sum of all weights is not positive, or unknown.
    """
    n_others, c_others = n_NM.sum(1, keepdims=True) - n_NM, c_NM.sum(1, keepdims=True) - c_NM
    w_NM = weight(n_NM, c_NM) if (n_NM > 0).all() else np.full(n_NM.shape, np.nan)
    cross_fitted = bool(np.isfinite(w_NM).all() and (n_others > 0).all())
    if not cross_fitted:
        n_others, c_others = n_NM.sum(1, keepdims=True), c_NM.sum(1, keepdims=True)
        w_NM = weight(n_others, c_others)
    if not np.isfinite(w_NM).all():
        return None
    inside = c_others < hard * n_others
    bounds = (0.0, 1.0) if (w_NM >= 0).all() else None
    share = _share((w_NM * inside).sum(1), w_NM.sum(1), bounds)
    return None if share is None else HardShare(share, cross_fitted)


def _share(top_N: Floats, all_N: Floats, bounds: tuple[float, float] | None) -> Estimate | None:
    """Σ top / Σ all with the jackknife's error over the N prompts."""
    N, total = len(all_N), float(all_N.sum())
    if total <= 1e-12 * float(np.abs(all_N).sum()):
        return None
    value = float(top_N.sum() / total)
    rest = total - all_N
    if N < 2 or (rest <= 1e-12 * total).any():
        return Estimate(value, None, None, None)
    deleted = (top_N.sum() - top_N) / rest
    variance = (N - 1) / N * float(((deleted - deleted.mean()) ** 2).sum())
    return from_error(value, np.sqrt(variance) if variance > 0 else np.nan, N - 1, bounds)
