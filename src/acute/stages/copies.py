"""Runs made of another run's responses: some of its prompts, or more prompts than were sampled."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from acute.gradients.store import read_sketches, write_sketches
from acute.run import Run
from acute.table import response_id


def some_of(run: Run, prompt_ids: Sequence[str]) -> Run:
    """A verified run of some prompts of another, in a folder beside it."""
    part = Run.create(run.path.with_name(f"{run.path.name}-part"), run.config)
    wanted = pa.array(prompt_ids)
    with part.stage("prompts"):
        part.write_prompts(run.prompts().filter(pc.is_in(run.prompts()["prompt_id"], wanted)))
    responses = run.responses()
    with part.stage("rollout"):
        pass
    with part.stage("verify"):
        part.write_responses(responses.filter(pc.is_in(responses["prompt_id"], wanted)))
    return part


def copies(scored: Run, rows: pa.Table, count: int, size: int, folder: Path) -> Run:
    """A scored run of `count` prompts, the rows over and over, answered as those of `scored` in turn.

    Of each sketch the first `size` numbers are taken. A response whose check failed counts as wrong there.
    """
    sums, facts = read_sketches(scored.path)
    source = scored.prompts()["prompt_id"].to_pylist()
    run = Run.create(folder, scored.config)
    taken = rows.take(pa.array(np.arange(count) % len(rows)))
    ids = [f"{name}~{i}" for i, name in enumerate(taken["prompt_id"].to_pylist())]
    with run.stage("prompts"):
        place = taken.column_names.index("prompt_id")
        run.write_prompts(taken.set_column(place, "prompt_id", pa.array(ids)))
    with run.stage("rollout"):
        pass
    with run.stage("verify"):
        run.write_responses(_answers(scored.responses(), source, ids))
    with run.stage("score"):
        at = [facts["prompt_ids"].index(source[i % len(source)]) for i in range(count)]
        facts |= {"prompt_ids": ids, "successes": [facts["successes"][i] for i in at], "sketch_size": size}
        shape = (count, *sums.shape[1:3], size)
        write_sketches(run.path, (sums[i : i + 1][0, ..., :size] for i in at), shape, facts, run.expect)
    return run


def _answers(responses: pa.Table, source: Sequence[str], ids: Sequence[str]) -> pa.Table:
    """The responses of the prompts `source`, in turn, as those of the prompts `ids`."""
    responses = responses.set_column(
        responses.column_names.index("reward"), "reward", pc.fill_null(responses["reward"], 0.0)
    )
    of = {name: responses.filter(pc.equal(responses["prompt_id"], name)) for name in source}
    tables = []
    for i, name in enumerate(ids):
        table = of[source[i % len(source)]]
        new = {
            "prompt_id": pa.array([name] * len(table)),
            "response_id": pa.array([response_id(name, j) for j in range(len(table))]),
        }
        for column, values in new.items():
            table = table.set_column(table.column_names.index(column), column, values)
        tables.append(table)
    return pa.concat_tables(tables)
