"""The response is a JSON value equal to the answer, for tasks of structured output."""

import json as library
from typing import Any

from acute.verify.verdict import Verdict

LONGEST = 1_000_000  # characters that are read


def _read(text: str) -> Any:
    """The value of a text, alone or in one fence. ValueError where it holds none."""
    body = text.strip()
    if body.startswith("```") and body.endswith("```") and "\n" in body:
        body = body[body.index("\n") : -3]
    if len(body) > LONGEST:
        raise ValueError("too long")

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is no JSON")

    return library.loads(body, parse_constant=refuse)


def _same(a: Any, b: Any) -> bool:
    """Equality of JSON: true is not 1, the order of keys does not count, 1 and 1.0 are one number."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    return bool(a == b)


def json(response: str, answer: str, finish: str) -> Verdict:
    """Reward 1 if `response` holds the JSON value of `answer`; no JSON: outcome `wrong_form`, reward 0.

    An answer that is no JSON itself is an `error`, without a reward.
    """
    del finish  # what was cut off is no JSON, or a number that the answer must equal all the same
    try:
        wanted = _read(answer)
    except (ValueError, RecursionError):
        return Verdict("error", None, None, "the answer is no JSON")
    try:
        return Verdict("ok", float(_same(_read(response), wanted)), response.strip()[:200])
    except (ValueError, RecursionError):
        return Verdict("wrong_form", 0.0, None)
