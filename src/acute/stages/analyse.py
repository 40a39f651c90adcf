"""Stages `analyse` and `report`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from acute import __version__
from acute.errors import InputError
from acute.run import Run

if TYPE_CHECKING:
    from acute.measure.counting import Counts

KERNEL_PROMPTS = 2000  # N² numbers, twice


def analyse(run: Run) -> dict[str, Any]:
    """Stage `analyse`: analysis.json, and kernel.npz for up to `KERNEL_PROMPTS` prompts."""
    from acute.gradients.store import read_sketches
    from acute.measure.analyse import analyse as measure
    from acute.measure.analyse import select
    from acute.measure.counting import ALSO_COUNTED, COUNTED, count
    from acute.measure.kernel import kernel

    config = run.config
    with run.stage("analyse"):
        sums, facts = read_sketches(run.path)
        asked = config.analyse
        counts = count(run.response_batches((*COUNTED, *ALSO_COUNTED)))
        _same_rewards(run, counts, facts)
        selected = select(counts, sums, facts["prompt_ids"], max(asked.k), asked.easy, asked.hard)
        found = {
            "acute": __version__,
            "engine": facts["engine"],
            "parameters": facts["parameters"],
            **measure(selected, run.prompts(), asked.k, config.seed, asked.beyond),
        }
        run.write_analysis(found)
        if len(selected.prompt_ids) <= KERNEL_PROMPTS:
            run.write_kernel(selected.prompt_ids, *kernel(selected.measured))
        run.remember("left_out", found["excluded"])
    return found


def _same_rewards(run: Run, counts: "Counts", facts: dict[str, Any]) -> None:
    """InputError if rewards are others than those that the gradient sums were grouped by."""
    found = dict.fromkeys(facts["prompt_ids"], 0.0)
    found.update(zip(counts.prompt_ids, counts.c_NM.sum(1).tolist(), strict=True))
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
