"""Families held out of the measured prompts, and what a step on these does to pass@1 of those."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from acute.core.blocks import Rows
from acute.core.estimate import Estimate
from acute.errors import InputError, NotEnoughData
from acute.measure.analyse import Selected
from acute.measure.conflict import Measured
from acute.measure.held_out import held_out
from acute.measure.success import pass_at_k_of_these

Json = dict[str, Any]


def _is_held(selected: Selected, prompts: pa.Table, families: Sequence[str]) -> NDArray[np.bool_]:
    """Which of the selected prompts are held out. Raises InputError for a family that no prompt has."""
    of = dict(zip(*(prompts[c].to_pylist() for c in ("prompt_id", "family")), strict=True))
    if unknown := sorted(set(families) - set(of.values())):
        known = ", ".join(sorted({f for f in of.values() if f is not None})) or "none"
        raise InputError(f"analyse.held_out: no prompt has the family {unknown[0]!r}; families: {known}")
    return np.array([of[name] in families for name in selected.prompt_ids])


def without(selected: Selected, prompts: pa.Table, families: Sequence[str]) -> Selected:
    """The prompts of other families; their sketches stay where they are.

    Raises InputError for a family that no prompt has, NotEnoughData where prompts held out, or those kept,
    show no gradient.
    """
    is_held_N, m = _is_held(selected, prompts, families), selected.measured
    signal = (m.c_N > 0) & (m.c_N < m.n_N)
    for what, side in (("kept", ~is_held_N), ("held out", is_held_N)):
        if not (signal & side).any():
            raise NotEnoughData(
                f"analyse.held_out: none of the {side.sum()} prompts {what} was both right and wrong"
            )
    index = np.flatnonzero(~is_held_N)
    sums = m.sums_NMOD
    return Selected(
        [selected.prompt_ids[i] for i in index],
        Measured(
            m.n_NM[index],
            m.c_NM[index],
            Rows(sums.array, sums.index[index].tolist()) if isinstance(sums, Rows) else sums[index],
            m.sketch_size,
        ),
        {**selected.excluded, "prompts held out (analyse.held_out)": int(is_held_N.sum())},
        selected.truncated_N[index],
        selected.distinct_N[index],
    )


def held_out_part(selected: Selected, prompts: pa.Table, families: Sequence[str], ks: Sequence[int]) -> Json:
    """The part `held_out` of analysis.json; `selected` holds all prompts."""
    is_held_N, m = _is_held(selected, prompts, families), selected.measured
    found = held_out(m, is_held_N, ks)
    n_N, c_N = m.n_N[is_held_N], m.c_N[is_held_N]
    return {
        "prompts": len(n_N),
        "pass_at_k": {str(k): _json(pass_at_k_of_these(n_N, c_N, k)) for k in ks},
        "k": list(ks),
        "inner": [_json(x.these.estimate) for x in found],
        "p_value_negative": [x.these.p_value for x in found],
        "inner_population": [_json(x.population.estimate) for x in found],
        "p_value_negative_population": [x.population.p_value for x in found],
    }


def _json(estimate: Estimate | None) -> Json | None:
    return None if estimate is None else estimate.as_json()
