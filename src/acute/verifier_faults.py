"""Signs that a verifier, not the model, was wrong, read from rewards and texts."""

import re
from collections import defaultdict
from typing import Any, NamedTuple

import pyarrow as pa

Json = dict[str, Any]
TAIL = 400  # characters at a response's end that are searched for its answer
EXAMPLES = 5
# a lenient reading, on purpose: it only raises suspicion
_STATED = re.compile(r"(?:####|\banswer\s*(?:is\b:?|:))\s*([^\n]{1,200})", re.IGNORECASE)
_BOXED = re.compile(r"\\boxed\{((?:[^{}]|\{[^{}]*\}){1,200})\}")


class Checked(NamedTuple):
    """One response as checking left it."""

    response_id: str
    prompt_id: str
    response: str | None
    outcome: str | None
    reward: float | None
    answer_found: str | None


def _rows(responses: pa.Table) -> list[Checked]:
    absent = [None] * len(responses)
    columns = (
        responses[name].to_pylist() if name in responses.column_names else absent for name in Checked._fields
    )
    return [Checked(*values) for values in zip(*columns, strict=True)]


def suspected_faults(prompts: pa.Table, responses: pa.Table) -> list[Json]:
    """Kinds of suspicion with counts, also by family, and examples; none if all looks clean.

    Nothing here is proof: each kind says what to look at.
    """
    rows = _rows(responses)
    told = {row["prompt_id"]: row for row in prompts.select(["prompt_id", "answer", "family"]).to_pylist()}
    family = {name: row["family"] for name, row in told.items()}
    kinds = {
        "checking timed out": [r for r in rows if r.outcome == "timeout"],
        "checking failed": [r for r in rows if r.outcome == "error"],
        "the right answer stands at the end, reward 0": [
            r
            for r in rows
            if r.reward == 0 and _ends_with(r.response, told.get(r.prompt_id, {}).get("answer"))
        ],
        "one response, two rewards": _contradictions(rows, "response"),
        "one answer found, two rewards": _contradictions(rows, "answer_found"),
    }
    sizes: dict[str | None, int] = defaultdict(int)
    for row in rows:
        sizes[family.get(row.prompt_id)] += 1
    return [_suspicion(kind, found, family, sizes) for kind, found in kinds.items() if found]


def _suspicion(kind: str, found: list[Checked], family: Json, sizes: dict[str | None, int]) -> Json:
    by_family: dict[str | None, int] = defaultdict(int)
    for row in found:
        by_family[family.get(row.prompt_id)] += 1
    worst_first = sorted(by_family, key=lambda name: (-by_family[name] / sizes[name], str(name)))
    return {
        "kind": kind,
        "responses": len(found),
        "families": [
            {"family": name, "responses": by_family[name], "of": sizes[name]} for name in worst_first
        ],
        "examples": [row.response_id for row in found[:EXAMPLES]],
    }


def _contradictions(rows: list[Checked], column: str) -> list[Checked]:
    """Responses to one prompt with one value in `column` and both rewards."""
    rewards: dict[tuple[str, str], set[float]] = defaultdict(set)
    for row in rows:
        if (value := getattr(row, column)) is not None and row.reward is not None:
            rewards[row.prompt_id, value].add(row.reward)
    return [
        row
        for row in rows
        if row.reward is not None and len(rewards.get((row.prompt_id, getattr(row, column)), ())) > 1
    ]


def _ends_with(response: str | None, answer: str | None) -> bool:
    """Whether the last stated answer of a response is, as text, the answer wanted."""
    if not response or not answer or not _plain(answer):
        return False
    tail = response[-TAIL:]
    found = [match for pattern in (_STATED, _BOXED) for match in pattern.finditer(tail)]
    if not found:
        return _plain(response) == _plain(answer)
    last = max(found, key=lambda match: match.end())
    return _plain(last[1]) == _plain(answer)


def _plain(text: str) -> str:
    """Text without blanks, dollar signs, a box around it and a full stop at its end."""
    boxed = _BOXED.fullmatch(text.strip(" .$"))
    return re.sub(r"[\s$,]", "", boxed[1] if boxed else text).strip("*`\"'").rstrip(".").casefold()
