"""Runs made of another run's responses: some of its prompts, or more prompts than were sampled."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from acute.gradients.store import read_sketches, write_sketches
from acute.run import Run
from acute.table import response_id

ROLL = 7  # places by which each further copy of a sketch is moved on: gradients of prompts are not the same


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


def copies(sampled: Run, scored: Run, rows: pa.Table, count: int, size: int, folder: Path) -> Run:
    """A scored run of `count` prompts, the rows over and over, answered as those of `sampled` in turn.

    Prompts with right and wrong responses take the sketches of those that were scored in turn, of each the
    first `size` numbers, rolled so that no two are alike; the others have none. A response whose check failed
    counts as wrong.
    """
    run, answers = Run.create(folder, sampled.config), _by_prompt(sampled)
    taken = rows.take(pa.array(np.arange(count) % len(rows)))
    ids = [f"{name}~{i}" for i, name in enumerate(taken["prompt_id"].to_pylist())]
    with run.stage("prompts"):
        place = taken.column_names.index("prompt_id")
        run.write_prompts(taken.set_column(place, "prompt_id", pa.array(ids)))
    with run.stage("rollout"):
        pass
    with run.stage("verify"):
        tables = [_renamed(answers[i % len(answers)], name) for i, name in enumerate(ids)]
        run.write_responses(pa.concat_tables(tables))
    with run.stage("score"):
        successes = [float(pc.sum(table["reward"]).as_py()) for table in tables]
        signal = [0 < c < len(table) for c, table in zip(successes, tables, strict=True)]
        _write_sketches(run, scored, ids, successes, signal, size)
    return run


def _by_prompt(run: Run) -> list[pa.Table]:
    """The responses of each prompt, no reward missing."""
    table = run.responses()
    place, reward = table.column_names.index("reward"), pc.fill_null(table["reward"], 0.0)
    table = table.set_column(place, "reward", reward)
    return [table.filter(pc.equal(table["prompt_id"], name)) for name in run.prompts()["prompt_id"]]


def _renamed(table: pa.Table, name: str) -> pa.Table:
    """The responses of a prompt as those of another."""
    new = {
        "prompt_id": pa.array([name] * len(table)),
        "response_id": pa.array([response_id(name, j) for j in range(len(table))]),
    }
    for column, values in new.items():
        table = table.set_column(table.column_names.index(column), column, values)
    return table


def _write_sketches(
    run: Run, scored: Run, ids: list[str], successes: list[float], signal: list[bool], size: int
) -> None:
    sums, facts = read_sketches(scored.path)
    none = np.zeros((*sums.shape[1:3], size), np.float32)

    def each() -> Iterator[NDArray[np.float32]]:
        for i, mixed in enumerate(signal):
            at = i % sums.shape[0]
            part = sums[at : at + 1][0, ..., :size]
            yield np.roll(part, (i // sums.shape[0]) * ROLL, axis=-1) if mixed else none

    facts |= {"prompt_ids": ids, "successes": successes, "sketch_size": size}
    write_sketches(run.path, each(), (len(ids), *none.shape), facts, run.expect)
