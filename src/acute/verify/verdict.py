"""What checking one response comes to. A failed check is not a wrong answer."""

from typing import Literal, NamedTuple


class Verdict(NamedTuple):
    """How checking ended, and the reward: None is "not known", which is not "wrong"."""

    outcome: Literal["ok", "wrong_form", "timeout", "error", "out_of_time", "out_of_memory"]
    reward: float | None
    answer_found: str | None
    detail: str | None = None
