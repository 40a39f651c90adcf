"""Flattening: a weaker emphasis on hard prompts, by power, by MaxRL's truncation T, by RS-GRPO's β.

Each family holds pass@1 (γ = 0, T = 1, β → 0) at one end, where no conflict is possible, so that a member
without conflict always exists; the functions find the strongest one on a grid and check it exactly.
"""

from collections.abc import Callable

import numpy as np

from acute.core.agreement import shares
from acute.core.mitigations.seen import Floats, Reweighting, Seen, mean_product
from acute.core.objectives import risk_sensitive, truncated_log
from acute.errors import InputError

STEPS = 1000


def _strongest(
    seen: Seen, candidates: list[float], weight: Callable[[float], Floats], margin: float
) -> float:
    """The first candidate, strongest first, whose weights v have E[v a] >= margin ‖∇J_1‖² E[v]/max v."""
    wanted, mass = seen.wanted(margin), shares(len(seen.weights_N), seen.mass_N)
    for candidate in candidates:
        v = weight(candidate)
        if mean_product(seen, v) >= wanted * float(mass @ v / v.max()):
            return candidate
    return candidates[-1]


def largest_power(seen: Seen, margin: float = 0.0) -> float:
    """The largest γ in {0, 1/1000, …, 1} for which w**γ has no conflict. InputError for negative weights.

    Reference: Eq. 9 with w replaced by w**γ. (Ours.)
    """
    if (seen.weights_N < 0).any():
        raise InputError(f"powers need weights >= 0, found {seen.weights_N.min():g}")
    grid = [i / STEPS for i in range(STEPS, -1, -1)]
    return _strongest(seen, grid, lambda gamma: seen.weights_N**gamma, margin)


def power(seen: Seen, margin: float = 0.0) -> Reweighting:
    """v = w**γ with the largest γ without conflict.

    Guarantees, to first order: pass@1 does not fall (margin 0), the order of the prompts' weights is kept,
    and the ratio of the largest to the smallest is its γ-th power.

    Reference: Eq. 9 with w replaced by w**γ. (Ours.)
    """
    return Reweighting(1.0, seen.weights_N ** largest_power(seen, margin) - seen.weights_N)


def largest_truncation(p_N: Floats, seen: Seen, most: int, margin: float = 0.0) -> int:
    """The largest T <= most for which log p cut after T terms has no conflict; 1 is pass@1.

    v = (1 - (1-p)**T)/p.

    Guarantees, to first order: training on `log@T` does not lower pass@1 (margin 0). The ratio of weights is
    T at most. InputError for most < 1. Reference: MaxRL, arXiv:2602.02710.
    """
    if most < 1:
        raise InputError(f"the largest T must be 1 or more, found {most}")
    grid = [float(t) for t in range(most, 0, -1)]
    return int(_strongest(seen, grid, lambda t: truncated_log(int(t)).weight(p_N), margin))


def largest_beta(p_N: Floats, seen: Seen, most: float, margin: float = 0.0) -> float:
    """The largest β of most · {1/1000, …, 1} for which log(1 + p(e**β - 1))/β has no conflict; 0 if none has.

    Guarantees, to first order: ascending it does not lower pass@1 (margin 0). The ratio of weights is e**β at
    most. InputError for most <= 0. Reference: RS-GRPO, arXiv:2509.24261.
    """
    if not most > 0:
        raise InputError(f"the largest β must be positive, found {most}")
    grid = [most * i / STEPS for i in range(STEPS, -1, -1)]
    one = np.ones_like(p_N)
    return _strongest(seen, grid, lambda b: risk_sensitive(b).weight(p_N) if b else one, margin)
