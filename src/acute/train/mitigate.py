"""From a name and what was measured to what is done with the advantages of this step."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from acute.core.mitigations.adaptive_k import adaptive_k
from acute.core.mitigations.clipping import clip
from acute.core.mitigations.dropping import dropping
from acute.core.mitigations.flattening import power
from acute.core.mitigations.guard import significant
from acute.core.mitigations.mixture import mixture
from acute.core.mitigations.projection import projection
from acute.core.mitigations.reweighting import reweighting
from acute.core.mitigations.seen import Reweighting, Seen, unchanged
from acute.train.gram_methods import pcd, upgrad

REWEIGHT: dict[str, Callable[[Seen, float], Reweighting]] = {
    "mixture": mixture,
    "projection": projection,
    "reweighting": reweighting,
    "clip": clip,
    "dropping": dropping,
    "power": power,
    "upgrad": lambda seen, _: upgrad(seen),
    "pcd": pcd,
}
NEED_NO_CONFLICT = ("none", "annealing")
NEED_K = ("adaptive-k", "annealing")
MITIGATIONS = ("none", *REWEIGHT, "adaptive-k", "annealing")


class Bounds(NamedTuple):
    """Lower ends of the intervals of ⟨∇J_k, ∇J_1⟩, and the p-value of "no conflict" for the objective."""

    k: Sequence[int]
    lower: Sequence[float | None]
    p_value: float | None


def safe_k(bounds: Bounds, most: int, level: float | None) -> int:
    """`adaptive_k` up to `most`; `most` itself where a level is set and conflict is not significant."""
    if level is not None and not significant(bounds.p_value, level):
        return most
    upto = [(k, low) for k, low in zip(bounds.k, bounds.lower, strict=True) if k <= most]
    return adaptive_k([k for k, _ in upto], [low for _, low in upto])


def reweight(name: str, seen: Seen, p_value: float | None, margin: float, level: float | None) -> Reweighting:
    """The reweighting of this name; unchanged where a level is set and conflict is not significant.

    InputError and NotEnoughData as the mitigation raises them.
    """
    if level is not None and not significant(p_value, level):
        return unchanged(seen)
    return REWEIGHT[name](seen, margin)
