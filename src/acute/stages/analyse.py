"""Stages `analyse` and `report`."""

from pathlib import Path
from typing import Any

from acute import __version__
from acute.errors import InputError
from acute.run import Run

KERNEL_PROMPTS = 2000  # N² numbers, twice
NO_MODEL = "no model was named, so there are no gradients"


def analyse(run: Run) -> dict[str, Any]:
    """Stage `analyse`: analysis.json, and kernel.npz for up to `KERNEL_PROMPTS` prompts.

    Without a model, what counts alone can answer.
    """
    return _of_counts(run) if run.config.counts_only else _of_gradients(run)


def _of_counts(run: Run) -> dict[str, Any]:
    from acute.measure.counted import analyse_counts

    asked = run.config.analyse
    with run.stage("analyse"):
        found = {
            "acute": __version__,
            "engine": None,
            "parameters": None,
            **analyse_counts(run.responses(), run.prompts(), asked.k, NO_MODEL, asked.easy, asked.hard),
        }
        run.write_analysis(found)
        run.remember("left_out", found["excluded"])
    return found


def _of_gradients(run: Run) -> dict[str, Any]:
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
        found = {
            "acute": __version__,
            "engine": facts["engine"],
            "parameters": facts["parameters"],
            **measure(selected, run.prompts(), responses, asked.k, config.seed),
        }
        run.write_analysis(found)
        if len(selected.prompt_ids) <= KERNEL_PROMPTS:
            run.write_kernel(selected.prompt_ids, *kernel(selected.measured))
        run.remember("left_out", found["excluded"])
    return found


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
