"""The advantages of one batch: the objective's own, mended by what is known of the conflict."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acute.core.advantages.pass_at_one import rloo
from acute.core.estimators import pass_at_k
from acute.core.mitigations.annealing import annealed_k
from acute.core.mitigations.mixture import mixture_share
from acute.core.mitigations.seen import Reweighting, Seen, unchanged
from acute.errors import InputError, NotEnoughData
from acute.train.mitigate import REWEIGHT, Bounds, reweight, safe_k
from acute.train.options import Options
from acute.train.rolled import Rolled
from acute.train.state import State
from acute.train.target import Target

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Batch:
    """What is done with one batch. R responses, prompt by prompt."""

    advantages_R: Floats
    k: int | None
    """The k whose advantages were used; None where the method has none."""
    mended: bool
    """Whether the mitigation changed anything."""
    why_not: str | None
    """Why a mitigation that was asked for could not be had."""
    share: float | None
    """λ*: the least share of pass@1 in a mixture without conflict."""

    def as_row(self) -> dict[str, Any]:
        """The fields of a row of acute.jsonl."""
        row = {"k": self.k, "mended": self.mended, "lambda": self.share}
        return row | ({} if self.why_not is None else {"why_not_mended": self.why_not})


def in_groups(rewards_NG: Floats, target: Target) -> Floats:
    """The target's advantages (N, G). Rewards that are NaN are left out of their group, and get 0; so does a
    group that is too small without them."""
    whole = np.isfinite(rewards_NG).all(1)
    out = np.zeros_like(rewards_NG)
    if whole.any():
        out[whole] = target.advantage(rewards_NG[whole])
    for i in np.flatnonzero(~whole):
        known = np.isfinite(rewards_NG[i])
        if known.sum() >= target.least_n:
            out[i, known] = target.advantage(rewards_NG[i, known])
    return out


def _pass_1(rewards_NG: Floats) -> Floats:
    return in_groups(rewards_NG, Target("pass@1", 1, 2, lambda r: np.asarray(rloo(r))))


def _seen(groups: Sequence[Rolled], target: Target, state: State) -> Seen:
    """What the last measurement says about this batch: its own weights, each prompt's a as last measured.

    A prompt that was not measured yet has a = 0: it is left as it is by what goes by a.
    """
    assert state.inner is not None and state.norm_1 is not None and state.norm_k is not None
    counted = np.array([(len(g.rewards), sum(g.rewards)) for g in groups], float)
    return Seen(
        np.nan_to_num(target.weights(counted[:, 0], counted[:, 1])),
        np.array([state.agreement.get(g.key, 0.0) for g in groups]),
        state.inner,
        state.norm_1,
        state.norm_k,
    )


def used_k(options: Options, target: Target, state: State, step: int, steps: int) -> int | None:
    """The k of this step."""
    if target.k is None or options.mitigation not in ("adaptive-k", "annealing"):
        return target.k
    if options.mitigation == "annealing":
        return annealed_k(step, steps, target.k)
    if state.measured_at is None:
        return target.k
    return safe_k(Bounds(state.bounds_k, state.bounds_lower, state.p_value), target.k, options.level)


def _mend(
    groups: Sequence[Rolled], target: Target, options: Options, state: State
) -> tuple[Reweighting, str | None]:
    """The reweighting of this batch, and why there is none if there is none."""
    if state.inner is None:
        return Reweighting(1.0, np.zeros(len(groups))), "the conflict is not known"
    seen = _seen(groups, target, state)
    try:
        return reweight(options.mitigation, seen, state.p_value, options.margin, options.level), None
    except (InputError, NotEnoughData) as error:  # what was measured does not admit this mitigation
        return unchanged(seen), str(error)


def advantages(
    rewards_NG: Floats,
    groups: Sequence[Rolled],
    target: Target,
    options: Options,
    state: State,
    step: int,
    steps: int,
) -> Batch:
    """Advantages of the batch, flat and in its order, and what was decided on the way.

    v(x) = scale · w + added(x) is executed as scale times the objective's advantages plus added(x) times
    pass@1's: on average exactly scale · w ∇p + added ∇p, without multiplying two estimates from the same
    responses.
    """
    k = used_k(options, target, state, step, steps)
    now = target if k is None or k == target.k else target.with_k(k)
    own = in_groups(rewards_NG, now)
    mended, why_not = k != target.k, None
    if options.mitigation in REWEIGHT:
        v, why_not = _mend(groups, target, options, state)
        mended = v.scale != 1.0 or bool(v.added_N.any())
        if mended:
            own = v.scale * own + v.added_N[:, None] * _pass_1(rewards_NG)
    return Batch(own.reshape(-1), k, mended, why_not, _share(state))


def _share(state: State) -> float | None:
    if state.inner is None or state.norm_1 is None or not state.norm_1 > 0:
        return None
    none = np.zeros(0)
    return mixture_share(Seen(none, none, state.inner, state.norm_1, state.norm_k or 0.0))


def success(groups: Sequence[Rolled], k: int | None) -> dict[str, Any]:
    """pass@1 and pass@k of the batch, of each family too; None where no group has the responses for it.

    Keys "pass@1", "pass@8", "pass@1/FAMILY", ….
    """
    found: dict[str, Any] = {}
    for suffix, some in [("", list(groups)), *_by_family(groups)]:
        for j in sorted({1, k or 1}):
            n = np.array([len(g.rewards) for g in some], float)
            c = np.array([sum(g.rewards) for g in some], float)
            if not all(r in (0.0, 1.0) for g in some for r in g.rewards):
                continue
            values = pass_at_k(n, c, j)[n > 0]
            known = values[np.isfinite(values)]
            found[f"pass@{j}{suffix}"] = float(known.mean()) if len(known) else None
    return found


def _by_family(groups: Sequence[Rolled]) -> list[tuple[str, list[Rolled]]]:
    names = sorted({g.family for g in groups if g.family is not None})
    return [(f"/{name}", [g for g in groups if g.family == name]) for name in names]
