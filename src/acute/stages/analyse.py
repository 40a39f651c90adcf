"""Stages `analyse` and `report`."""

from pathlib import Path
from typing import Any

import numpy as np

from acute import __version__
from acute.errors import InputError, NotEnoughData
from acute.run import Run

KERNEL_PROMPTS = 2000  # N² numbers, twice


def analyse(run: Run) -> dict[str, Any]:
    """Stage `analyse`: analysis.json, and kernel.npz for up to `KERNEL_PROMPTS` prompts."""
    from acute.gradients.store import read_sketches
    from acute.measure.analyse import analyse as measure
    from acute.measure.analyse import select
    from acute.measure.kernel import kernel

    config = run.config
    with run.stage("analyse"):
        sums, facts = read_sketches(run.path)
        responses, asked = run.responses(), config.analyse
        _same_rewards(run, responses, facts)
        selected = select(responses, sums, facts["prompt_ids"], max(asked.k), asked.easy, asked.hard)
        held = None
        if asked.held_out is not None:
            selected, held = _split(selected, run.prompts(), asked.held_out)
        found = {
            "acute": __version__,
            "engine": facts["engine"],
            "parameters": facts["parameters"],
            **measure(selected, run.prompts(), responses, asked.k, config.seed),
        }
        if held is not None:
            found["held_out"] = _held_out(selected, held, asked.k)
        run.write_analysis(found)
        if len(selected.prompt_ids) <= KERNEL_PROMPTS:
            run.write_kernel(selected.prompt_ids, *kernel(selected.measured))
        run.remember("left_out", found["excluded"])
    return found


def _split(selected: Any, prompts: Any, families: tuple[str, ...]) -> tuple[Any, Any]:
    """The prompts that are analysed, and those of the families held out, both as `Selected`.

    Raises InputError for a family that no prompt has, NotEnoughData where one side shows no gradient.
    """
    from acute.measure.analyse import Selected
    from acute.measure.conflict import Measured

    of = dict(zip(*(prompts[c].to_pylist() for c in ("prompt_id", "family")), strict=True))
    if unknown := sorted(set(families) - set(of.values())):
        known = ", ".join(sorted({f for f in of.values() if f is not None})) or "none"
        raise InputError(f"analyse.held_out: no prompt has the family {unknown[0]!r}; families: {known}")
    is_held = np.array([of[name] in families for name in selected.prompt_ids])
    m, sides = selected.measured, []
    for what, rows in (("kept", ~is_held), ("held out", is_held)):
        side = Measured(m.n_NM[rows], m.c_NM[rows], m.sums_NMOD[rows], m.sketch_size)
        if not ((side.c_N > 0) & (side.c_N < side.n_N)).any():
            raise NotEnoughData(
                f"analyse.held_out: none of the {int(rows.sum())} prompts {what} was both right and wrong"
            )
        ids = [name for name, inside in zip(selected.prompt_ids, rows, strict=True) if inside]
        sides.append(Selected(ids, side, selected.excluded))
    left_out = {**selected.excluded, "prompts held out (analyse.held_out)": int(is_held.sum())}
    return sides[0]._replace(excluded=left_out), sides[1]


def _held_out(selected: Any, held: Any, ks: tuple[int, ...]) -> dict[str, Any]:
    """The part `held_out` of analysis.json."""
    from acute.measure.held_out import held_out
    from acute.measure.success import pass_at_k_of_these

    def plain(estimate: Any) -> Any:
        return None if estimate is None else estimate.as_json()

    found = held_out(selected.measured, held.measured, ks)
    n_N, c_N = held.measured.n_N, held.measured.c_N
    return {
        "prompts": len(held.prompt_ids),
        "pass_at_k": {str(k): plain(pass_at_k_of_these(n_N, c_N, k)) for k in ks},
        "k": list(ks),
        "inner": [plain(x.these.estimate) for x in found],
        "p_value_negative": [x.these.p_value for x in found],
        "inner_population": [plain(x.population.estimate) for x in found],
        "p_value_negative_population": [x.population.p_value for x in found],
    }


def _same_rewards(run: Run, responses: Any, facts: dict[str, Any]) -> None:
    """InputError if rewards are others than those that the gradient sums were grouped by."""
    found = dict.fromkeys(facts["prompt_ids"], 0.0)
    pairs = zip(responses["prompt_id"].to_pylist(), responses["reward"].to_pylist(), strict=True)
    for name, reward in pairs:
        found[name] += reward or 0.0
    if list(found.values()) != facts.get("successes", list(found.values())):
        raise InputError(
            f"{run.path}: rewards were changed after acute score grouped the gradients by them: remove "
            f"sketch.json and start acute score again"
        )


def report(run: Run) -> Path:
    """Stage `report`: report.html."""
    from acute.report.page import write_page

    with run.stage("report"):
        return write_page(run.path)
