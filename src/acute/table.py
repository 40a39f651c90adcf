"""The schema of the tables: the only file that spells column names, types and meanings.

A row of `PROMPTS` is a prompt, a row of `RESPONSES` a response. Steps add columns and never change
one: a normalised reward is a new column. Rows are matched by `response_id` and `prompt_id`, never by
position, never by text.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from acute.errors import OutsideError, TableError

Columns = dict[str, tuple[pa.DataType, str]]
BATCH = 65_536  # rows of a table in memory at once where it is read batch by batch

PROMPTS: Columns = {
    # name: (type, what one value means)
    "prompt_id": (pa.string(), "unique key of the prompt"),
    "prompt": (pa.string(), "the text that the model continues, chat template and prefill included"),
    "question": (pa.string(), "the user's message as the source states it"),
    "answer": (pa.string(), "what the verifier compares with"),
    "messages": (pa.string(), "the chat that the prompt is, as JSON, or null"),
    "prefill": (pa.string(), "text that the assistant's turn begins with, or null"),
    "family": (pa.string(), "group that results are also given for, or null"),
    "level": (pa.string(), "difficulty as the source states it, or null"),
    "verify": (pa.string(), "verifier of this prompt where it is not the run's, or null"),
}
PROMPTS_REQUIRED = ("prompt_id", "prompt", "answer")

RESPONSES: Columns = {
    "response_id": (pa.string(), "unique key of the row"),
    "prompt_id": (pa.string(), "key of the prompt; its rows are one group"),
    "fold": (pa.int32(), "independent part of the prompt's responses, from 0"),
    "response": (pa.string(), "sampled text, without the prompt and without end tokens"),
    "token_ids": (pa.list_(pa.int32()), "sampled tokens, an end token included"),
    "logprob": (pa.float64(), "ln of the sampler's probability of token_ids; nats"),
    "finish": (pa.string(), "how sampling ended: eos | stop | length (cut off)"),
    "outcome": (
        pa.string(),
        "how checking ended: ok | wrong_form | timeout | error | out_of_time | out_of_memory",
    ),
    "reward": (pa.float64(), "in [0, 1]; null where checking failed"),
    "answer_found": (pa.string(), "the answer read from the response, or null"),
    "logged_reward": (pa.float64(), "the reward as an imported log has it, or null"),
    "detail": (pa.string(), "why checking ended so, where there is more to say, or null"),
    "scorer_logprob": (pa.float64(), "ln of the scorer's probability of token_ids; nats"),
    "score_dot": (pa.float64(), "⟨∇ ln π(response), ∇J_1 of the other folds⟩"),
}
RESPONSES_REQUIRED = ("response_id", "prompt_id", "fold", "response", "token_ids", "logprob", "finish")
CHECKED = {"outcome": "outcome", "reward": "reward", "answer_found": "answer_found", "detail": "detail"}
COUNTS = ("responses", "successes", "truncated")  # of a prompt, as analysis.json names them
ESTIMATES = ("p", "weight", "agreement", "agreement_shrunk", "contribution", "share")
KEYS = {"response_id": RESPONSES, "prompt_id": PROMPTS}


def response_id(prompt_id: str, index: int) -> str:
    """The key of a prompt's response number `index`, where nothing else names it."""
    return f"{prompt_id}/{index:05d}"


def schema_of(columns: Columns, names: tuple[str, ...]) -> pa.Schema:
    """The Arrow schema of some of the columns, in the order given."""
    return pa.schema([(name, columns[name][0]) for name in names])


def check(table: pa.Table, columns: Columns, required: tuple[str, ...]) -> pa.Table:
    """Return `table` as it is, or raise one TableError that names every fault.

    The first of `required` is the key: no nulls, no repeats.
    """
    faults = [f"missing column {name!r}" for name in required if name not in table.column_names]
    for name, (wanted, meaning) in columns.items():
        if name in table.column_names and (found := table[name].type) != wanted:
            faults.append(f"{name!r} ({meaning}) must be {wanted}, found {found}")
    key = required[0]
    if not faults and table[key].null_count:
        faults.append(f"{key!r} is null in {table[key].null_count} rows")
    if not faults and len(table[key].unique()) < len(table):
        faults.append(f"{key!r} repeats in {len(table) - len(table[key].unique())} rows")
    if faults:
        raise TableError("; ".join(faults))
    return table


def with_column(table: pa.Table, name: str, values: Sequence[object]) -> pa.Table:
    """`table` and one column of the schema more. Raises TableError if the column is there already."""
    if name in table.column_names:
        raise TableError(f"column {name!r} is there already; columns are only added")
    return table.append_column(name, pa.array(values, RESPONSES[name][0]))


def with_estimates(prompts: pa.Table, rows: Sequence[dict[str, Any]]) -> pa.Table:
    """`prompts` and the counts and estimates of `rows`, which are matched by prompt_id.

    An estimate becomes the columns NAME, NAME_se, NAME_lo, NAME_hi; what is unknown is null.
    """
    by_id = {row["prompt_id"]: row for row in rows}
    found = [by_id.get(prompt_id, {}) for prompt_id in prompts["prompt_id"].to_pylist()]
    for name in COUNTS:
        prompts = prompts.append_column(name, pa.array([row.get(name) for row in found], pa.int64()))
    for name in ESTIMATES:
        estimates = [row.get(name) or {} for row in found]
        for member, suffix in (("value", ""), ("se", "_se"), ("lo", "_lo"), ("hi", "_hi")):
            column = pa.array([estimate.get(member) for estimate in estimates], pa.float64())
            prompts = prompts.append_column(name + suffix, column)
    return prompts


def could_not_write(path: Path, error: OSError) -> OutsideError:
    """The error for a write that the system refused (disk full, no permission)."""
    return OutsideError(
        f"could not write {path}: {error.strerror}. What was written before is kept; make room and start "
        f"the same command again"
    )


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: a kill or a full disk leaves what was there before.

    Raises OutsideError if the system refuses (disk full, no permission).
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise could_not_write(path, error) from error


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk, so that a power cut keeps the order in which files appeared."""
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def table_bytes(table: pa.Table) -> bytes:
    """A table as the bytes of a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue().to_pybytes())


def table_of(content: bytes) -> pa.Table:
    """What `table_bytes` wrote."""
    return pq.read_table(pa.BufferReader(content))


def write_table(table: pa.Table, path: Path) -> None:
    """Write Parquet atomically. Raises OutsideError if the system refuses."""
    write_atomically(path, table_bytes(table))


def read_batches(path: Path, columns: Columns, names: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    """Some columns of a Parquet file, batch by batch, never whole in memory.

    Raises TableError, naming the file, for a missing file or column or a wrong type; keys are not checked.
    """
    try:
        with pq.ParquetFile(path) as file:
            found = dict(zip(file.schema_arrow.names, file.schema_arrow.types, strict=True))
            for name in names:
                if found.get(name) != columns[name][0]:
                    have = f"type {found[name]}" if name in found else "no such column"
                    raise TableError(f"{path}: wanted {name!r} of type {columns[name][0]}, found {have}")
            yield from file.iter_batches(BATCH, columns=list(names))
    except FileNotFoundError:
        raise TableError(f"wanted a table at {path}, found no file") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise TableError(f"{path}: wanted Parquet, found a fault: {error}") from None


def read_table(path: Path, columns: Columns, required: tuple[str, ...]) -> pa.Table:
    """Read Parquet and check it. Raises TableError, naming the file."""
    try:
        table = pq.read_table(path)
    except FileNotFoundError:
        raise TableError(f"wanted a table at {path}, found no file") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise TableError(f"{path}: wanted Parquet, found a fault: {error}") from None
    try:
        return check(table, columns, required)
    except TableError as error:
        raise TableError(f"{path}: {error}") from None
