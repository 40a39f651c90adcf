"""What is checked, and what checks it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from acute.verify.verdict import Verdict


class Item(NamedTuple):
    """One response and what it is checked with."""

    response: str
    answer: str
    finish: str
    """How sampling ended: eos | stop | length."""
    prefill: str = ""
    """What the assistant's turn began with, before the response."""
    columns: Mapping[str, Any] = {}
    """More fields of prompt and response, for functions of the user that ask for them."""


class Verifier(Protocol):
    """Checks many responses; may hold processes until it is closed."""

    def ready(self) -> None:
        """Raise InputError or OutsideError where nothing could ever be checked."""
        ...

    def start(self) -> None:
        """Start now what checks that need it would: workers, a sandbox."""
        ...

    def check(self, items: Sequence[Item]) -> Iterator[tuple[int, Verdict]]:
        """Verdicts as they come, each with the place of its item."""
        ...

    def facts(self) -> dict[str, Any]:
        """What the record of a run should say: versions that change verdicts, counts."""
        ...

    def close(self) -> None:
        """End what it holds."""
        ...
