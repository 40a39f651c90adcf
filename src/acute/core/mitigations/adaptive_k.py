"""Adaptive k: as large as the evidence allows."""

from collections.abc import Sequence

from acute.errors import InputError


def adaptive_k(k: Sequence[int], lower: Sequence[float | None]) -> int:
    """The largest k whose lower confidence bound of ⟨∇J_k, ∇J_1⟩ is not negative; 1 if there is none.

    `k` ascending from 1; None or NaN is unknown, and unknown is not safe. Guarantees, to first order: with
    bounds that hold, pass@1 does not fall on ∇J_k of the answer. k = 1 never conflicts (‖∇J_1‖² >= 0) and
    needs no evidence.

    Reference: Stays where eq. 9 is not negative; Prop. 4.5 says why a smaller k is safer. (Ours.)
    """
    if list(k) != sorted(set(k)) or not k or k[0] != 1 or len(k) != len(lower):
        raise InputError(f"wanted ascending k from 1 with a bound each, found {list(k)}, {len(lower)} bounds")
    safe = [a for a, bound in zip(k, lower, strict=True) if bound is not None and bound >= 0]
    return max(safe, default=1)
