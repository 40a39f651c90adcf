"""A knob between pass@1 and pass@k that needs no whole k."""

from math import isfinite

from acute.core.objectives.objective import Objective, transform
from acute.errors import ConfigError


def hard(gamma: float) -> Objective:
    """(1 - (1-p)**γ) / γ, with weight (1-p)**(γ-1): pass@γ over γ for any γ > 0; 1 is pass@1.

    Reference: Mahdavi et al. 2025, whose weight of pass@k has a free exponent; eq. 3 of arXiv 2602.21189.
    """
    if not (gamma > 0 and isfinite(gamma)):
        raise ConfigError(f"gamma must be positive and finite, found {gamma}")
    return transform(
        f"hard@{gamma:g}", lambda p: (1 - (1 - p) ** gamma) / gamma, lambda p: (1 - p) ** (gamma - 1)
    )
