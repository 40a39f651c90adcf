"""Interference-aware reweighting: as close to the objective's weights as pass@1 allows, prompt by prompt."""

from itertools import pairwise

import numpy as np

from acute.core.agreement import shares
from acute.core.mitigations.seen import Floats, Reweighting, Seen, mean_product
from acute.errors import NotEnoughData


def multiplier(seen: Seen, least: float) -> float:
    """The least ν >= 0 for which v = max(0, w + ν a) has E[v a] >= least.

    E[v a] is continuous, piecewise linear and never falls in ν; its kinks are at -w/a of the prompts with
    a < 0, between which ν is solved for exactly. NotEnoughData where no ν is enough (no prompt has a > 0).

    Reference: The dual variable of the constraint E[v a] >= least on eq. 9. (Ours.)
    """
    w, a, mass = seen.weights_N, seen.agreement_N, shares(len(seen.weights_N), seen.mass_N)

    def at(nu: float) -> float:
        return mean_product(seen, np.maximum(0.0, w + nu * a))

    if at(0.0) >= least:
        return 0.0
    falling = a < 0
    kinks = [0.0, *np.unique(-w[falling] / a[falling]), np.inf]
    for left, right in pairwise(kinks):
        if np.isfinite(right) and at(right) < least:
            continue
        middle = left + 1.0 if np.isinf(right) else (left + right) / 2
        on = w + middle * a > 0
        slope = float(mass[on] @ a[on] ** 2)
        if slope > 0:
            return float(left + (least - at(left)) / slope)
    raise NotEnoughData(f"no non-negative weights have E[v a] >= {least:g}: no prompt has a > 0")


def reweighting(seen: Seen, margin: float = 0.0) -> Reweighting:
    """The non-negative weights nearest to w (in E(v-w)²) with E[v a] >= margin · ‖∇J_1‖²: max(0, w + ν a).

    Guarantees, to first order: pass@1 rises by margin · ‖∇J_1‖² per step size or more; no prompt is pushed
    down; prompts that help pass@1 gain weight, those that cost it lose weight, the rest keep theirs. It needs
    a(x) of every prompt, and says nothing about ⟨g, ∇J_k⟩. Weights that are negative already count as 0.
    What counts as the rise is ⟨∇J_k, ∇J_1⟩ + E[(v-w) a]: measured w and a come from the same responses, so
    that E[w a] is not an unbiased estimate of the first term, which is given on its own.

    Reference: The nearest weights under a linear constraint on eq. 9, such as the outlook asks for. (Ours.)
    """
    least = seen.wanted(margin) - (seen.inner - mean_product(seen, seen.weights_N))
    nu = multiplier(seen, least)
    if nu == 0.0 and (seen.weights_N >= 0).all():
        return Reweighting(1.0, np.zeros_like(seen.weights_N))
    v: Floats = np.maximum(0.0, seen.weights_N + nu * seen.agreement_N)
    return Reweighting(1.0, v - seen.weights_N)
