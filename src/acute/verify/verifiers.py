"""Verifiers by name, made when they are asked for."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from acute.verify.item import Item, Verifier
from acute.verify.kinds import HELD, QUICK, function_at
from acute.verify.settings import Settings
from acute.verify.verdict import Verdict


class RowByRow:
    """A verifier that is a quick function of (response, answer, finish)."""

    def __init__(self, function: Callable[[str, str, str], Verdict]) -> None:
        self._function = function

    def ready(self) -> None:
        """Always."""

    def start(self) -> None:
        """There is nothing to start."""

    def check(self, items: Sequence[Item]) -> Iterator[tuple[int, Verdict]]:
        """Verdicts in order."""
        for place, item in enumerate(items):
            yield place, self._function(item.response, item.answer, item.finish)

    def facts(self) -> dict[str, Any]:
        """None."""
        return {}

    def close(self) -> None:
        """Nothing is held."""


class Verifiers:
    """Verifiers by name, each made when first asked for; `close` ends them all."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._made: dict[str, Verifier] = {}

    def of(self, kind: str) -> Verifier:
        """The verifier called `kind`: one of `KINDS`, or "module:function"."""
        if kind not in self._made:
            self._made[kind] = self._make(kind)
        return self._made[kind]

    def _make(self, kind: str) -> Verifier:
        if kind in QUICK:
            return RowByRow(function_at(QUICK[kind]))
        if kind in HELD:
            made: Verifier = function_at(HELD[kind])(self._settings)
            return made
        from acute.verify.custom import with_settings

        return with_settings(kind, self._settings)

    def check(self, kinds: Sequence[str], items: Sequence[Item]) -> Iterator[tuple[int, Verdict]]:
        """Verdicts as they come, each with the place of its item; `kinds` names each item's verifier."""
        for kind in dict.fromkeys(kinds):
            places = [place for place, own in enumerate(kinds) if own == kind]
            for i, verdict in self.of(kind).check([items[place] for place in places]):
                yield places[i], verdict

    def facts(self) -> dict[str, Any]:
        """What the record of a run should say, by verifier."""
        return {kind: found for kind, made in self._made.items() if (found := made.facts())}

    def close(self) -> None:
        """End all that was made."""
        for made in self._made.values():
            made.close()

    def __enter__(self) -> "Verifiers":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
