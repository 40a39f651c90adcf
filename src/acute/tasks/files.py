"""Prompts from files, checked row by row before any work."""

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from acute.errors import TableError

Row = dict[str, Any]
TEXT = ("prompt_id", "prompt", "answer", "prefill", "family", "level", "verify")
KNOWN = {*TEXT, "messages"}


def _is_text(*values: Any) -> bool:
    return all(isinstance(value, str) for value in values)


def _is_unicode(row: Row) -> bool:
    """Whether every text can be written: JSON's escapes may spell half of a surrogate pair."""
    try:
        json.dumps(row, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        return False
    return True


def _fault(row: Any) -> str | None:
    """What is wrong with a prompt row, or None."""
    if not isinstance(row, dict):
        return f"wanted an object, found {type(row).__name__}"
    if unknown := sorted(set(row) - KNOWN):
        return f"unknown field {unknown[0]!r}; known: {', '.join(sorted(KNOWN))}"
    if missing := [name for name in ("prompt_id", "answer") if row.get(name) is None]:
        return f"wanted a value for {missing[0]!r}, found none: add it, or name its column in prompts.columns"
    if (row.get("prompt") is None) == (row.get("messages") is None):
        return "wanted either 'prompt' or 'messages'"
    for name in TEXT:
        if row.get(name) is not None and not isinstance(row[name], str):
            hint = "; write an object as JSON in a text" if isinstance(row[name], dict | list) else ""
            return f"{name!r} must be text, found {str(row[name])[:80]!r}{hint}"
        if name in ("prompt_id", "prompt") and row.get(name) == "":
            return f"{name!r} must be text, found none of it"
    messages = row.get("messages")
    if messages is not None and not (
        isinstance(messages, list)
        and messages
        and all(isinstance(m, dict) and _is_text(m.get("content"), m.get("role")) for m in messages)
    ):
        return f"'messages' must be a list of {{role, content}}, found {str(messages)[:80]!r}"
    if not _is_unicode(row):
        return "wanted Unicode text, found half of a surrogate pair"
    return None


def is_file(source: str) -> bool:
    """Whether a source of prompts is the path of a file of rows."""
    return source.endswith((".jsonl", ".jsonl.gz", ".parquet"))


def _text(path: Path) -> str:
    if path.suffix != ".gz":
        return path.read_text(encoding="utf-8-sig")
    with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as file:
        return file.read()


def json_rows(path: Path, text: str) -> list[tuple[str, Any]]:
    """The objects of JSON lines, each with where it stands. Raises TableError, naming `path` and the line."""
    rows = []
    # a line ends at "\n" alone: str.splitlines would also cut at U+2028, which JSON allows in texts
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                rows.append((f"line {number}", json.loads(line)))
            except (ValueError, RecursionError) as error:
                raise TableError(
                    f"{path} line {number}: wanted a JSON object, found a fault: {error}"
                ) from None
    return rows


def read_rows(path: Path) -> list[tuple[str, Any]]:
    """Rows of a .jsonl, .jsonl.gz or .parquet file, each with where it stands. Raises TableError."""
    try:
        if path.suffix == ".parquet":
            return [(f"row {i}", row) for i, row in enumerate(pq.read_table(path).to_pylist())]
        return json_rows(path, _text(path))
    except FileNotFoundError:
        raise TableError(
            f"wanted a prompt file at {path}, found no file: correct prompts.source or prompts.path"
        ) from None
    except (OSError, EOFError, UnicodeDecodeError, pa.ArrowInvalid, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise TableError(f"wanted a prompt file at {path}: {reason}") from None


def checked(rows: list[tuple[str, Any]], origin: str) -> list[Row]:
    """The prompt rows, in order. Raises TableError, naming `origin` and place, at the first that is none."""
    seen: dict[str, str] = {}
    for where, row in rows:
        if fault := _fault(row):
            raise TableError(f"{origin} {where}: {fault}")
        if (name := row["prompt_id"]) in seen:
            raise TableError(
                f"{origin} {where}: prompt_id {name!r} stands already on {seen[name]}: "
                "give each prompt one of its own"
            )
        seen[name] = where
    if not rows:
        raise TableError(f"{origin}: wanted at least one prompt, found none")
    return [row for _, row in rows]


def read_prompts(path: Path) -> list[Row]:
    """Prompt rows of a file, in order.

    Raises TableError with file, line and what was wanted, at the first row that is not a prompt.
    """
    return checked(read_rows(path), str(path))
