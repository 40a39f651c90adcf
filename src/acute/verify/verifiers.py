"""Every verifier by its name."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from acute.verify.exact import exact
from acute.verify.final_answer import Fallback
from acute.verify.item import Item, Verifier
from acute.verify.sandbox import Kind as SandboxKind
from acute.verify.short import short
from acute.verify.verdict import Verdict

ROW_BY_ROW: dict[str, Callable[[str, str, str], Verdict]] = {"exact": exact, "short": short}
KINDS = (*ROW_BY_ROW, "math", "code")
_CUSTOM = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def is_custom(kind: str) -> bool:
    """Whether a name is "module:function"."""
    return _CUSTOM.fullmatch(kind) is not None


class Settings(NamedTuple):
    """What verifiers may be told, as `[verify]` has it."""

    timeout_s: float = 5.0
    workers: int = 0
    """0: one a core."""
    memory_mb: int = 1024
    fallback: Fallback = "none"
    threshold: float | None = None
    conversational: bool = False
    sandbox: SandboxKind = "bubblewrap"
    cache: Path | None = None
    """File of verdicts kept from run to run; None: none are."""


class RowByRow:
    """A verifier that is a quick function of (response, answer, finish)."""

    def __init__(self, function: Callable[[str, str, str], Verdict]) -> None:
        self._function = function

    def ready(self) -> None:
        """Always."""

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
        asked = self._settings
        if kind in ROW_BY_ROW:
            return RowByRow(ROW_BY_ROW[kind])
        workers = asked.workers or len(os.sched_getaffinity(0))
        limits: dict[str, Any] = {
            "workers": workers,
            "timeout_s": asked.timeout_s,
            "memory_mb": asked.memory_mb,
        }
        if kind == "math":
            from acute.verify.math import MathVerifier

            return MathVerifier(fallback=asked.fallback, cache_path=asked.cache, **limits)
        if kind == "code":
            from acute.verify.code import CodeVerifier
            from acute.verify.sandbox import Limits

            most = Limits(seconds=asked.timeout_s, memory=asked.memory_mb << 20)
            return CodeVerifier(asked.sandbox, most, workers)
        from acute.verify.custom import CustomVerifier

        return CustomVerifier(kind, threshold=asked.threshold, conversational=asked.conversational, **limits)

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
