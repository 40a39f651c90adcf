"""Dropping: the prompts that cost pass@1 most get no weight."""

import numpy as np

from acute.core.agreement import shares
from acute.core.mitigations.seen import Reweighting, Seen
from acute.errors import NotEnoughData


def dropping(seen: Seen, margin: float = 0.0) -> Reweighting:
    """v = w, and 0 on as few prompts as remove the conflict, those with the most negative share of it first.

    Guarantees, to first order: pass@1 rises by margin · ‖∇J_1‖² per step size or more; no prompt is pushed
    down; the others keep their weight. NotEnoughData where dropping every prompt with w a < 0 is not enough.
    InputError as `Seen.wanted`.

    Reference: Eq. 9 as a sum over prompts, its most negative terms left out. (Ours.)
    """
    lacking = seen.wanted(margin) - seen.inner
    harm = -shares(len(seen.weights_N), seen.mass_N) * seen.weights_N * seen.agreement_N
    worst = np.argsort(-harm)
    gained = np.cumsum(np.maximum(harm[worst], 0))
    dropped = 0 if lacking <= 0 else 1 + int(np.searchsorted(gained, lacking))
    if dropped > len(worst):
        raise NotEnoughData("no choice of prompts to drop reaches the margin: take a smaller one")
    added = np.zeros_like(seen.weights_N)
    added[worst[:dropped]] = -seen.weights_N[worst[:dropped]]
    return Reweighting(1.0, added)
