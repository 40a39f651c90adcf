"""Clipping: a ceiling on the weight of a prompt."""

from itertools import pairwise

import numpy as np

from acute.core.mitigations.seen import Floats, Reweighting, Seen, mean_product
from acute.errors import InputError, NotEnoughData


def clipped(weights_N: Floats, cap: float) -> Floats:
    """min(w, cap). InputError unless the cap is positive.

    Reference: A bounded weight ratio shrinks W_- against W_+ in Cor. 4.4. (Ours.)
    """
    if not cap > 0:
        raise InputError(f"the cap on weights must be positive, found {cap}")
    return np.minimum(weights_N, cap)


def largest_cap(seen: Seen, margin: float = 0.0) -> float:
    """The largest cap with E[min(w, cap) a] >= margin · ‖∇J_1‖² · cap/max w, exactly; inf if none is needed.

    The right side shrinks with the cap, because so does every step. Between two neighbouring weights both
    sides are linear in the cap; below the smallest weight v is constant, E[v a] = cap ‖∇J_1‖², so that an
    answer always exists for w > 0. Weights of 0 stay 0 under any cap; NotEnoughData where no cap helps
    because of them. InputError for negative weights.

    Reference: The largest cap for which eq. 9 is not negative. (Ours.)
    """
    wanted = seen.wanted(margin)
    w = seen.weights_N
    if (w < 0).any() or not w.any():
        raise InputError(f"a cap needs weights >= 0, not all 0, found {w.min():g} to {w.max():g}")
    top = float(w.max())

    def surplus(cap: float) -> float:
        return mean_product(seen, np.minimum(w, cap)) - wanted * cap / top

    if surplus(top) >= 0:
        return float(np.inf)
    levels = np.unique(w[w > 0])[::-1]
    for high, low in pairwise(levels):
        if surplus(float(low)) >= 0:
            share = surplus(float(low)) / (surplus(float(low)) - surplus(float(high)))
            return float(low + share * (high - low))
    if surplus(float(levels[-1])) < -1e-12 * abs(wanted or top):
        raise NotEnoughData("no cap on the weights removes the conflict: prompts of weight 0 would be needed")
    return float(levels[-1])


def clip(seen: Seen, margin: float = 0.0) -> Reweighting:
    """v = min(w, the largest cap without conflict).

    Guarantees, to first order: pass@1 rises by margin · ‖∇J_1‖² · cap/max w per step size or more (margin 0:
    it does not fall); no prompt is pushed down. Errors as `largest_cap`.

    Reference: Eq. 9 with w replaced by min(w, cap). (Ours.)
    """
    cap = largest_cap(seen, margin)
    return Reweighting(1.0, np.minimum(seen.weights_N, cap) - seen.weights_N)
