"""What every importer reads into: one `Logged` a response. Bad values are refused with file and place."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from acute.errors import ConfigError, InputError, TableError

Row = dict[str, Any]
Placed = tuple[str, Row]  # where it stands ("file line 3"), and what it says
OUTCOMES = ("ok", "wrong_form", "timeout", "error")
FINISHES = {
    "eos": "eos",
    "stop": "eos",
    "end_turn": "eos",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
}


class Logged(NamedTuple):
    """One response as a log has it; None is what the log does not say."""

    where: str
    response_id: str | None = None
    prompt_id: str | None = None
    prompt: str | None = None
    messages: tuple[dict[str, str], ...] | None = None
    answer: str | None = None
    family: str | None = None
    level: str | None = None
    step: int | None = None
    response: str | None = None
    token_ids: tuple[int, ...] | None = None
    logprob: float | None = None
    finish: str | None = None
    outcome: str | None = None
    reward: float | None = None
    answer_found: str | None = None


FIELDS = tuple(name for name in Logged._fields if name not in ("where", "messages"))


class Log(NamedTuple):
    """The responses of a log in its order, and sentences about what was assumed or is missing, by topic."""

    rows: list[Logged]
    notes: dict[str, str]


class Asked(NamedTuple):
    """What the user says of a log: our field by their column, and values that rows must have to be read."""

    columns: Mapping[str, str]
    where: Mapping[str, str]


Reader = Callable[[Path, Asked], Log]


def raw_rows(path: Path, suffixes: tuple[str, ...], asked: Asked) -> list[Placed]:
    """The rows of a file, or of all files in a folder that end in one of `suffixes`, in order of their names.

    Raises InputError if there is none, TableError at the first fault, ConfigError if `where` leaves nothing.
    """
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.suffix in suffixes and p.is_file())
        if not files:
            raise InputError(f"wanted files that end in {' or '.join(suffixes)} in {path}, found none")
    elif path.exists():
        files = [path]
    else:
        raise InputError(f"wanted a log at {path}, found nothing there")
    rows = [row for file in files for row in (_parquet(file) if _is_parquet(file) else _json_lines(file))]
    if not rows:
        raise TableError(f"{path}: wanted rows, found none")
    return kept(rows, asked.where, path)


def kept(rows: list[Placed], where: Mapping[str, str], path: Path) -> list[Placed]:
    """The rows whose columns have the values of `where`. ConfigError if none has."""
    found = [row for row in rows if all(_is(pick(row[1], c), value) for c, value in where.items())]
    if not found:
        said = ", ".join(f"{c}={value}" for c, value in where.items())
        raise ConfigError(f"{path}: none of the {len(rows)} rows has {said}")
    return found


def _is(value: Any, wanted: str) -> bool:
    return value is not None and (value == wanted or str(value) == wanted)


def _is_parquet(file: Path) -> bool:
    return file.suffix == ".parquet"


def _parquet(file: Path) -> Iterator[Placed]:
    try:
        rows = pq.read_table(file).to_pylist()
    except (OSError, pa.ArrowException, ValueError) as error:
        raise TableError(f"{file}: wanted Parquet, found a fault: {error}") from None
    return ((f"{file} row {i}", row) for i, row in enumerate(rows))


def read_json(file: Path) -> str:
    """A text file. Raises InputError."""
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"wanted UTF-8 text at {file}, could not read it: {error}") from None


def parsed(text: str, where: str) -> Any:
    """JSON. Raises TableError."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TableError(f"{where}: wanted JSON, found a fault: {error}") from None


def _json_lines(file: Path) -> Iterator[Placed]:
    # a line ends at "\n" alone: JSON allows U+2028 and the like inside texts
    for number, line in enumerate(read_json(file).split("\n"), 1):
        if line.strip():
            where = f"{file} line {number}"
            row = parsed(line, where)
            if not isinstance(row, dict):
                raise TableError(f"{where}: wanted a JSON object, found {type(row).__name__}")
            yield where, row


def pick(row: Mapping[str, Any], column: str) -> Any:
    """The value of a column; `a.b` is b inside a. None where there is none."""
    if column in row:
        return row[column]
    value: Any = row
    for key in column.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def converted(rows: list[Placed], names: Mapping[str, str]) -> list[Logged]:
    """Rows as `Logged`: each field from the column that `names` gives it. Raises TableError."""
    return [
        convert(where, {field: pick(row, column) for field, column in names.items()}) for where, row in rows
    ]


def convert(where: str, found: Mapping[str, Any]) -> Logged:
    """One response from values by field, each checked. Raises TableError, naming the place and the field."""
    prompt, messages = _prompt(found.get("prompt"), where)
    reward = number(found.get("reward"), "reward", where)
    outcome = found.get("outcome")
    if outcome is not None and outcome not in OUTCOMES:
        raise TableError(f"{where}: 'outcome' must be one of {', '.join(OUTCOMES)}, found {_short(outcome)}")
    return Logged(
        where=where,
        response_id=text(found.get("response_id"), "response_id", where),
        prompt_id=text(found.get("prompt_id"), "prompt_id", where),
        prompt=prompt,
        messages=messages,
        answer=_loose(found.get("answer"), "answer", where),
        family=_loose(found.get("family"), "family", where),
        level=_loose(found.get("level"), "level", where),
        step=_step(found.get("step"), where),
        response=_response(found.get("response"), where),
        token_ids=_token_ids(found.get("token_ids"), where),
        logprob=number(found.get("logprob"), "logprob", where),
        finish=FINISHES.get(str(found.get("finish")).lower()),
        outcome=outcome if outcome is not None or reward is None else "ok",
        reward=reward,
        answer_found=_loose(found.get("answer_found"), "answer_found", where),
    )


def _short(value: Any) -> str:
    return repr(value)[:80]


def text(value: Any, name: str, where: str) -> str | None:
    """Text, or a whole number as text; None stays. Raises TableError."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # what pandas makes of whole numbers beside nulls
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return str(value)
        except ValueError:  # more digits than Python prints
            raise TableError(f"{where}: {name!r} is a number of too many digits") from None
    if value is None:
        return None
    if not isinstance(value, str):
        raise TableError(f"{where}: {name!r} must be text, found {_short(value)}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise TableError(f"{where}: {name!r} must be Unicode, found half of a surrogate pair") from None
    return value


def _loose(value: Any, name: str, where: str) -> str | None:
    """Text of anything: what is neither text nor a number stands as JSON."""
    if value is None or (isinstance(value, str | int) and not isinstance(value, bool)):
        return text(value, name, where)
    try:
        return text(json.dumps(value, ensure_ascii=False, default=str), name, where)
    except (ValueError, RecursionError, TypeError) as error:
        raise TableError(f"{where}: {name!r} cannot be written as text: {error}") from None


def number(value: Any, name: str, where: str) -> float | None:
    """A finite number; True is 1. None and NaN are missing. Raises TableError."""
    if value is None:
        return None
    if not isinstance(value, bool | int | float):
        raise TableError(f"{where}: {name!r} must be a number, found {_short(value)}")
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if math.isinf(found):
        raise TableError(f"{where}: {name!r} must be finite, found one beyond all bounds")
    return None if math.isnan(found) else found


def _step(value: Any, where: str) -> int | None:
    if isinstance(value, str) and value.strip().isdecimal() and len(value) < 19:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise TableError(f"{where}: 'step' must be a whole number, found {_short(value)}")
    return value


def _token_ids(value: Any, where: str) -> tuple[int, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not value:
        raise TableError(f"{where}: 'token_ids' must be a list of token ids, found {_short(value)}")
    if not all(isinstance(x, int) and not isinstance(x, bool) and 0 <= x < 2**31 for x in value):
        raise TableError(f"{where}: 'token_ids' must hold whole numbers from 0, found {_short(value)}")
    return tuple(value)


def content(message: Any, where: str) -> str:
    """The text of a chat message; parts that are no text are left out. Raises TableError."""
    found = message.get("content") if isinstance(message, Mapping) else None
    if isinstance(found, list):
        parts = [part.get("text") for part in found if isinstance(part, Mapping)]
        found = "".join(part for part in parts if isinstance(part, str))
    return text(found, "content", where) or ""


def _messages(value: list[Any], where: str) -> tuple[dict[str, str], ...]:
    if not value or not all(isinstance(m, Mapping) and isinstance(m.get("role"), str) for m in value):
        raise TableError(f"{where}: wanted messages {{role, content}}, found {_short(value)}")
    return tuple({"role": text(m["role"], "role", where) or "", "content": content(m, where)} for m in value)


def _prompt(value: Any, where: str) -> tuple[str | None, tuple[dict[str, str], ...] | None]:
    """A prompt's text; of a chat its turns one after the other, and the messages themselves."""
    if not isinstance(value, list):
        return text(value, "prompt", where), None
    messages = _messages(value, where)
    return "\n".join(f"{m['role']}: {m['content']}" for m in messages), messages


def _response(value: Any, where: str) -> str | None:
    """A response's text; of a chat the texts of its turns, one after the other."""
    if not isinstance(value, list):
        return text(value, "response", where)
    return "\n".join(content(m, where) for m in value)
