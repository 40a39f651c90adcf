"""Stages `analyse` and `report`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acute import __version__
from acute.errors import InputError
from acute.run import Run

if TYPE_CHECKING:
    from acute.measure.counting import Counts
    from acute.measure.imperfect import Verifier

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
    from acute.measure.counting import ALSO_COUNTED, COUNTED, count
    from acute.measure.kernel import kernel
    from acute.stages.held_out import held_out_part, without

    config = run.config
    with run.stage("analyse"):
        sums, facts = read_sketches(run.path)
        asked = config.analyse
        counts = count(run.response_batches((*COUNTED, *ALSO_COUNTED)))
        _same_rewards(run, counts, facts)
        whole = select(counts, sums, facts["prompt_ids"], max(asked.k), asked.easy, asked.hard)
        selected = whole if asked.held_out is None else without(whole, run.prompts(), asked.held_out)
        found = {
            "acute": __version__,
            "engine": facts["engine"],
            "parameters": facts["parameters"],
            **measure(selected, run.prompts(), asked.k, config.seed, _verifier(run), asked.beyond),
        }
        if asked.held_out is not None:
            found["held_out"] = held_out_part(whole, run.prompts(), asked.held_out, asked.k)
        run.write_analysis(found)
        if len(selected.prompt_ids) <= KERNEL_PROMPTS:
            run.write_kernel(selected.prompt_ids, *kernel(selected.measured))
        run.remember("left_out", found["excluded"])
    return found


def _verifier(run: Run) -> "Verifier":
    """The verifier's rates, from the configuration or from labelled responses.

    InputError where the labels cannot be read, name an unknown response, or leave a rate unknown.
    """
    from acute.measure.imperfect import from_labels, given

    asked = run.config.analyse
    if asked.labels is None:
        return given(asked.false_pass, asked.false_fail)
    labels = read_labels(Path(asked.labels))
    columns = run.responses().select(["response_id", "reward"]).to_pydict()
    reward = dict(zip(*columns.values(), strict=True))
    if unknown := [name for name in labels if name not in reward]:
        raise InputError(f"{asked.labels}: no response of {run.path} has the response_id {unknown[0]!r}")
    checked = [name for name in labels if reward[name] is not None]
    return from_labels([reward[name] > 0 for name in checked], [labels[name] for name in checked])


def read_labels(path: Path) -> dict[str, bool]:
    """Truth by response_id from JSON lines {"response_id": …, "right": true}.

    Raises InputError with the line that is no such object, or names a response twice.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"analyse.labels: wanted a file at {path}: {error}") from None
    found: dict[str, bool] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            name, right = row["response_id"], row["right"]
        except (ValueError, KeyError, TypeError, RecursionError):
            name, right = None, None
        if not isinstance(name, str) or not isinstance(right, bool) or name in found:
            raise InputError(
                f'{path} line {number}: wanted {{"response_id": text, "right": true or false}}, each '
                f"response once, found {line[:80]!r}"
            )
        found[name] = right
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
