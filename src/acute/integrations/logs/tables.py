"""From logged responses to the tables of a run folder: which step, which group, which reward."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

import pyarrow as pa

from acute.errors import ConfigError, InputError, TableError
from acute.integrations.logs.rows import Log, Logged
from acute.table import PROMPTS, RESPONSES, response_id, schema_of

PROMPT_COLUMNS = ("prompt_id", "prompt", "question", "answer", "messages", "family", "level")
RESPONSE_COLUMNS = (
    "response_id",
    "prompt_id",
    "fold",
    "response",
    "token_ids",
    "logprob",
    "finish",
    "outcome",
    "reward",
    "answer_found",
    "logged_reward",
)


class Imported(NamedTuple):
    """The two tables, and what is said of them by topic."""

    prompts: pa.Table
    responses: pa.Table
    notes: dict[str, str]


def as_tables(log: Log, step: str, right_above: float | None, folds: int) -> Imported:
    """Tables of one step ("last" or its number), or of all steps kept apart ("all").

    Raises TableError or ConfigError where rows contradict one another or rewards are no 0 and 1.
    """
    notes = dict(log.notes)
    rows, notes["steps"] = _of_step(log.rows, step)
    rows, notes["repeated rows"] = _without_copies(rows)
    groups, notes["groups"] = _grouped(rows, apart=step == "all")
    _check_rewards(rows, right_above)
    notes["rewards"] += _said_of_rewards(rows, right_above)
    notes["missing"] = _missing(rows)
    prompts, several = _prompts(groups)
    if several:
        notes["answers"] = f"{several} prompts have rows with different answers; the first is kept"
    responses = [
        {**_response(name, j, row), "fold": j % folds, "reward": _right(row, right_above)}
        for name, members in groups.items()
        for j, row in enumerate(members)
    ]
    if len({row["response_id"] for row in responses}) < len(responses):
        raise TableError("wanted ids that belong to one response each, found one at two prompts or steps")
    return Imported(
        pa.Table.from_pylist(prompts, schema_of(PROMPTS, PROMPT_COLUMNS)),
        pa.Table.from_pylist(responses, schema_of(RESPONSES, RESPONSE_COLUMNS)),
        {topic: sentence for topic, sentence in notes.items() if sentence},
    )


def _of_step(rows: list[Logged], wanted: str) -> tuple[list[Logged], str]:
    steps = sorted({row.step for row in rows if row.step is not None})
    without = next((row.where for row in rows if row.step is None), None)
    if steps and without:
        raise TableError(f"{without}: wanted a step in every row or in none, found none here")
    if not steps:
        if wanted not in ("last", "all"):
            raise ConfigError(f"--step {wanted}: the log has no steps")
        return rows, ""
    if wanted == "all":
        return _all_steps(rows, steps)
    if wanted != "last" and wanted not in map(str, steps):
        raise ConfigError(f"--step wants last, all or one of {_some(map(str, steps))}; found {wanted!r}")
    chosen = steps[-1] if wanted == "last" else int(wanted)
    found = [row for row in rows if row.step == chosen]
    if len(steps) == 1:
        return found, ""
    return found, f"{len(steps)} steps, of which {chosen} was taken ({len(found)} of {len(rows)} rows)"


def _all_steps(rows: list[Logged], steps: list[int]) -> tuple[list[Logged], str]:
    """Every step, but for one whose rows are just those of the step before: TRL logs a batch once more."""
    by_step = defaultdict(list)
    for row in rows:
        by_step[row.step].append(row)
    kept: list[Logged] = []
    again, before = [], None
    for step in steps:
        bare = [row._replace(step=None, where="") for row in by_step[step]]
        if bare == before:
            again.append(step)
        else:
            kept += by_step[step]
        before = bare
    said = f"{len(steps)} steps, their groups kept apart"
    if again:
        said += f"; left out as copies of the step before: {_some(map(str, again))}"
    return kept, said


def _some(items: Iterable[str], most: int = 8) -> str:
    found = list(items)
    return ", ".join(found[:most]) + (f" … ({len(found)} in all)" if len(found) > most else "")


def _without_copies(rows: list[Logged]) -> tuple[list[Logged], str]:
    """Rows with one response_id once. Equal rows without ids are kept: short answers do repeat."""
    seen: dict[str, Logged] = {}
    kept, copies = [], 0
    for row in rows:
        if row.response_id is None:
            kept.append(row)
        elif row.response_id not in seen:
            seen[row.response_id] = row
            kept.append(row)
        elif row._replace(where="") == seen[row.response_id]._replace(where=""):
            copies += 1
        else:
            raise TableError(
                f"{row.where}: response_id {row.response_id!r} stands also at "
                f"{seen[row.response_id].where}, with other contents"
            )
    return kept, f"{copies} copies of rows with the same response_id were left out" if copies else ""


def text_key(text: str) -> str:
    """A key for a prompt that has none: a hash of its text, the same in every log."""
    return "text-" + hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _grouped(rows: list[Logged], apart: bool) -> tuple[dict[str, list[Logged]], str]:
    """The rows by prompt. Raises TableError where neither ids nor texts say which belong together."""
    without_id = next((row.where for row in rows if row.prompt_id is None), None)
    if without_id and any(row.prompt_id is not None for row in rows):
        raise TableError(f"{without_id}: wanted a prompt id in every row or in none, found none here")
    without_text = next((row.where for row in rows if row.prompt is None), None)
    if without_id and without_text:
        raise TableError(
            f"{without_text}: wanted a prompt id or a prompt text to group by, found neither; name the "
            f"column with --map prompt_id=COLUMN (position says nothing: rows may be shuffled)"
        )
    groups: dict[str, list[Logged]] = {}
    for row in rows:
        name = text_key(row.prompt or "") if row.prompt_id is None else row.prompt_id
        name = f"{name}@{row.step}" if apart and row.step is not None else name
        members = groups.setdefault(name, [])
        if members and None not in (row.prompt, members[0].prompt) and row.prompt != members[0].prompt:
            raise TableError(
                f"{row.where}: prompt {name!r} has another text than at {members[0].where}: wanted an id "
                f"that belongs to one prompt; name the column with --map prompt_id=COLUMN"
            )
        members.append(row)
    by = "the exact text of the prompt, as no id is in the log" if without_id else "prompt id"
    sizes = sorted(map(len, groups.values()))
    spread = f"{sizes[0]}" if sizes[0] == sizes[-1] else f"{sizes[0]} to {sizes[-1]}"
    return groups, f"{len(groups)} prompts by {by}, {spread} responses each"


def _right(row: Logged, right_above: float | None) -> float | None:
    """The reward as 0 or 1, None where the log has none."""
    if row.reward is None or right_above is None:
        return row.reward
    return float(row.reward > right_above)


def _check_rewards(rows: list[Logged], right_above: float | None) -> None:
    known = [row for row in rows if row.reward is not None]
    if not known:
        raise InputError(f"{rows[0].where}: no row from here on has a reward")
    odd = next((row for row in known if row.reward not in (0.0, 1.0)), None)
    if right_above is None and odd is not None:
        values = _some(f"{value:g}" for value in sorted({row.reward or 0.0 for row in known}))
        raise ConfigError(
            f"{odd.where}: wanted rewards 0 or 1, found {values}: say above what value a response counts as "
            f"right with --right-above VALUE"
        )


def _said_of_rewards(rows: list[Logged], right_above: float | None) -> str:
    missing = sum(row.reward is None for row in rows)
    cut = "" if right_above is None else f"; right is a reward above {right_above:g}"
    return cut + (f"; {missing} of {len(rows)} responses have none and are not counted" if missing else "")


def _missing(rows: list[Logged]) -> str:
    """What the log does not hold, and what cannot be asked therefore."""
    consequences = {
        "response": "texts: nothing to score or to read",
        "token_ids": "token ids: a model can be asked only about the text tokenised again",
        "logprob": "log-probabilities: the sampler cannot be compared with the scorer",
        "finish": "how responses ended: truncation is not known",
    }
    lost = Counter(name for row in rows for name in consequences if getattr(row, name) is None)
    return "; ".join(
        said if lost[name] == len(rows) else f"{said} ({lost[name]} of {len(rows)} responses)"
        for name, said in consequences.items()
        if lost[name]
    )


def _prompts(groups: dict[str, list[Logged]]) -> tuple[list[dict[str, Any]], int]:
    """A row a prompt, and how many have several answers."""
    rows, several = [], 0
    for name, members in groups.items():
        first = members[0]
        question = first.messages[-1]["content"] if first.messages else first.prompt
        several += len({row.answer for row in members}) > 1
        rows.append(
            {
                "prompt_id": name,
                "prompt": first.prompt,
                "question": question,
                "answer": first.answer,
                "messages": json.dumps(first.messages, ensure_ascii=False) if first.messages else None,
                "family": first.family,
                "level": first.level,
            }
        )
    return rows, several


def _response(name: str, index: int, row: Logged) -> dict[str, Any]:
    return {
        "response_id": row.response_id or response_id(name, index),
        "prompt_id": name,
        "response": row.response,
        "token_ids": row.token_ids,
        "logprob": row.logprob,
        "finish": row.finish,
        "outcome": row.outcome,
        "answer_found": row.answer_found,
        "logged_reward": row.reward,
    }
