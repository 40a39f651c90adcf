"""Annealing: from a large k down to pass@1 over the training."""

from acute.errors import InputError


def annealed_k(step: int, steps: int, first: int, last: int = 1) -> int:
    """k of a step, 0 <= step < steps: geometric from `first` down to `last`, rounded; `last` at the end.

    Guarantees nothing to first order while k > 1: it looks at the clock, not at the conflict. Where it ends
    at 1, the last steps are pass@1's own. InputError for a step outside the training or k below 1.

    Reference: PKPO, arXiv:2505.15201 (k = 8, then 1).
    """
    if not (0 <= step < steps and first >= last >= 1):
        raise InputError(
            f"wanted 0 <= step < steps and first >= last >= 1, found {step}, {steps}, {first}, {last}"
        )
    passed = step / (steps - 1) if steps > 1 else 1.0
    return round(float(first ** (1 - passed) * last**passed))
