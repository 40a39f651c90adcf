"""A guard that leaves training alone unless conflict is significant."""

from acute.core.mitigations.seen import Reweighting, Seen, unchanged
from acute.errors import InputError


def significant(p_value: float | None, level: float) -> bool:
    """Whether conflict is significant: the one-sided p-value of ⟨∇J_k, ∇J_1⟩ >= 0 lies below `level`.

    None is unknown, and unknown is not significant. InputError for a level outside (0, 1).

    Reference: A one-sided test of eq. 9's sign. (Ours.)
    """
    if not 0 < level < 1:
        raise InputError(f"the level of a test lies between 0 and 1, found {level}")
    return p_value is not None and p_value < level


def guarded(seen: Seen, mended: Reweighting, p_value: float | None, level: float = 0.05) -> Reweighting:
    """`mended` where conflict is significant, the objective's own weights elsewhere.

    Guarantees: without conflict the objective is changed in a share of at most `level` of the measurements
    (for a p-value that is valid); where it acts, what `mended` guarantees.

    Reference: Acts only where eq. 9 is significantly negative. (Ours.)
    """
    return mended if significant(p_value, level) else unchanged(seen)
