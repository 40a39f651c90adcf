"""A run folder, read and checked: what the page needs, or one error that names every fault."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from acute.checksum import refuse_damaged
from acute.errors import InputError, TableError
from acute.report.numbers import Json

PROMPT_COLUMNS = ("prompt_id", "prompt", "answer", "family", "level")
RESPONSE_COLUMNS = ("prompt_id", "response", "outcome", "reward", "finish")
_PER_K = ("inner", "inner_sum", "cosine", "p_value_negative", "naive_inner", "naive_cosine")


@dataclass(frozen=True)
class RunData:
    """One run folder in memory."""

    folder: Path
    run: Json
    analysis: Json
    prompts: dict[str, Json]  # by prompt_id
    responses: Any  # pyarrow.Table, or None where the folder has none
    control: "RunData | None" = None

    @property
    def headline_k(self) -> int:
        """The k that single numbers are given for."""
        return headline_k(self.analysis)


def headline_k(analysis: Json) -> int:
    """The k that single numbers are given for: the analysis says it, or it is the largest."""
    return int(analysis.get("k_headline") or max(analysis["conflict"]["k"]))


def why(analysis: Json, name: str, otherwise: str) -> str:
    """Why the number of this name is null, as the analysis says it."""
    return str((analysis.get("reasons") or {}).get(name, otherwise))


def at_k(analysis: Json, name: str, k: int, part: str = "conflict") -> Any:
    """What `part` holds under `name` at `k`; None if that k was not computed."""
    ks = (analysis.get(part) or {}).get("k") or []
    values = (analysis.get(part) or {}).get(name)
    return values[ks.index(k)] if values and k in ks else None


def read_run(folder: Path) -> RunData:
    """Read a run folder, and the control run in its subfolder `control` if there is one.

    Raises InputError or TableError, naming the file, what was wanted and what was found.
    """
    control = folder / "control"
    run = _object(folder / "run.json", f"make a run folder with acute run --out {folder}")
    asked = (run.get("config") or {}).get("control") is not None  # an old one may still lie there
    return RunData(
        folder=folder,
        run=run,
        analysis=read_analysis(folder / "analysis.json"),
        prompts=read_prompts(folder / "prompts.parquet"),
        responses=_responses(folder / "responses.parquet"),
        control=read_run(control) if asked and (control / "analysis.json").is_file() else None,
    )


def read_analysis(path: Path) -> Json:
    """analysis.json, checked as far as the page relies on it. Raises InputError."""
    refuse_damaged(path.parent, path.name)
    analysis = _object(path, f"run acute analyse {path.parent} first")
    if faults := _faults(analysis):
        raise InputError(
            f"{path}: {'; '.join(faults)}. Run acute analyse {path.parent} again; if it stays, it is a fault "
            f"of acute"
        )
    return analysis


def _object(path: Path, remedy: str) -> Json:
    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} stands for a number (unknown is null)")

    try:
        found = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    except OSError as error:
        raise InputError(f"wanted {path.name} at {path}, found none ({error.strerror}): {remedy}") from None
    except ValueError as error:
        raise InputError(f"{path}: wanted JSON, found a fault: {error}. {remedy.capitalize()}") from None
    if not isinstance(found, dict):
        raise InputError(f"{path}: wanted a JSON object, found {type(found).__name__}. {remedy.capitalize()}")
    return found


def _faults(analysis: Json) -> list[str]:
    """What is wrong with the form of an analysis."""
    faults = [f"missing {key!r}" for key in ("prompts", "responses", "conflict") if key not in analysis]
    for part in ("conflict", "conflict_population", "curve"):
        table = analysis.get(part)
        if table is None:
            continue
        if not isinstance(table, dict) or not isinstance(table.get("k"), list):
            faults.append(f"{part!r} must hold a list 'k'")
            continue
        needed = ("inner", "cosine")
        faults += [f"missing {part}.{name}" for name in needed if name not in table]
        for name in _PER_K:
            values = table.get(name)
            if values is not None and len(values) != len(table["k"]):
                faults.append(f"{part}.{name} has {len(values)} values for {len(table['k'])} k")
        estimates = [e for name in needed for e in table.get(name) or []]
        if any(e is not None and not (isinstance(e, dict) and "value" in e) for e in estimates):
            faults.append(f"{part}: an estimate must be an object with 'value', or null")
    if isinstance(analysis.get("conflict"), dict) and not analysis["conflict"].get("k"):
        faults.append("'conflict' holds no k")
    return faults


def _read(path: Path, columns: tuple[str, ...] | None) -> Any:
    """A Parquet table, None where there is no file."""
    if not path.is_file():
        return None
    refuse_damaged(path.parent, path.name)
    try:
        known = pq.read_schema(path).names
        wanted = None if columns is None else [name for name in columns if name in known]
        return pq.read_table(path, columns=wanted)
    except (pa.ArrowInvalid, OSError) as error:
        raise TableError(f"{path}: wanted Parquet, found a fault: {error}") from None


def read_prompts(path: Path) -> dict[str, Json]:
    """The rows of prompts.parquet by prompt_id; none where there is no file. Raises TableError."""
    table = _read(path, PROMPT_COLUMNS)
    if table is None:
        return {}
    if "prompt_id" not in table.column_names:
        raise TableError(f"{path}: missing column 'prompt_id'")
    return {row["prompt_id"]: row for row in table.to_pylist()}


def _responses(path: Path) -> Any:
    table = _read(path, RESPONSE_COLUMNS)
    if table is None:
        return None
    if missing := [name for name in ("prompt_id", "response") if name not in table.column_names]:
        raise TableError(f"{path}: missing column {', '.join(map(repr, missing))}")
    return table
