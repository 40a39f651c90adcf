"""The verifier `math`: the final answer of a response against the gold answer, by value.

`final_answer` reads the answer, `compare` decides what can be decided exactly, and the rest goes to computer
algebra (math-verify) in worker processes that are killed at their deadline. Equal pairs are decided once.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from acute.errors import InputError
from acute.verify.cache import Pair, VerdictCache
from acute.verify.compare import compare, for_algebra
from acute.verify.final_answer import Fallback, final_answer
from acute.verify.item import Item
from acute.verify.overlooked import overlooked
from acute.verify.pool import Done, Pool
from acute.verify.settings import Settings
from acute.verify.verdict import Verdict

DECIDE = (
    "latex",
    "numbers",
    "units",
    "values",
    "compare",
    "overlooked",
    "algebra",
    "math",
)  # the modules that decide a pair
ENGINES = ("math-verify", "latex2sympy2_extended", "antlr4-python3-runtime", "sympy", "mpmath")
SHOWN = 1000  # characters of an answer that are kept in the table
ANSWER_LIMIT = 2000  # a longer answer is in no form that algebra would read; more where gold is long too


@cache
def versions() -> dict[str, str | None]:
    """Of everything that can change a verdict; None where it is not installed."""
    found: dict[str, str | None] = {}
    for name in ENGINES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    digest = hashlib.blake2b(digest_size=8)
    for name in DECIDE:
        digest.update(Path(__file__).with_name(f"{name}.py").read_bytes())
    return {"rules": digest.hexdigest(), **found}


class MathVerifier:
    """Checks many responses; one pool of workers, one cache."""

    def __init__(
        self,
        *,
        fallback: Fallback = "none",
        workers: int = 2,
        timeout_s: float = 5.0,
        memory_mb: int = 1024,
        cache_path: Path | None = None,
    ) -> None:
        self._fallback = fallback
        self._pool = Pool(
            "acute.verify.algebra:make", workers=workers, timeout_s=timeout_s, memory_mb=memory_mb
        )
        self._cache = VerdictCache(cache_path, repr(sorted(versions().items())))
        self.pairs: Counter[str] = Counter()
        """Distinct pairs by how they were decided: from the cache, exactly, by algebra."""

    def ready(self) -> None:
        """InputError unless math-verify is installed."""
        if None in versions().values():
            raise InputError('verify.kind = "math" needs math-verify: pip install "acute[math]"')

    def start(self) -> None:
        """Start the workers for what needs algebra. Raises as `ready` does."""
        self.ready()
        self._pool.start()

    def check(self, items: Sequence[Item]) -> Iterator[tuple[int, Verdict]]:
        """Verdicts as they come, each with the place of its item; what needs algebra comes last."""
        self.ready()
        places: defaultdict[Pair, list[int]] = defaultdict(list)
        for place, item in enumerate(items):
            text = item.prefill + item.response
            found = final_answer(text, len(item.prefill), item.finish == "length", self._fallback)
            if found is None:
                yield place, Verdict("wrong_form", 0.0, None)
            else:
                places[item.answer, found].append(place)
        for pair, verdict in self.decide(list(places)):
            for place in places[pair]:
                yield place, verdict._replace(answer_found=pair[1][:SHOWN])

    def decide(self, pairs: Sequence[Pair]) -> Iterator[tuple[Pair, Verdict]]:
        """Verdicts on distinct pairs (gold, answer)."""
        known = self._cache.find(pairs)
        self.pairs["cached"] += len(known)
        yield from known.items()
        undecided = []
        for pair in pairs:
            if pair in known:
                continue
            if (verdict := _exactly(*pair)) is not None:
                self.pairs["exact"] += 1
                self._cache.put(pair, verdict)
                yield pair, verdict
            else:
                undecided.append(pair)
        self.pairs["algebra"] += len(undecided)
        for pair, done in self._pool.map((pair, for_algebra(*pair)) for pair in undecided):
            verdict = _by_algebra(pair[1], done)
            self._cache.put(pair, verdict)
            yield pair, verdict
        self._cache.save()

    def facts(self) -> dict[str, Any]:
        """Versions, counts of pairs, and why no cache is kept, if so."""
        found: dict[str, Any] = {"versions": versions(), "pairs": dict(self.pairs)}
        return found if self._cache.why_not is None else {**found, "no cache": self._cache.why_not}

    def close(self) -> None:
        """End the workers, save the cache."""
        self._pool.close()
        self._cache.close()


def _exactly(gold: str, answer: str) -> Verdict | None:
    equal = compare(gold, answer)
    if equal is not None:
        return Verdict("ok", float(equal), answer)
    if len(answer) > max(ANSWER_LIMIT, 4 * len(gold)):
        return Verdict("wrong_form", 0.0, answer, f"longer than {ANSWER_LIMIT:,} characters")
    if (sign := overlooked(gold, answer)) is not None:
        return Verdict("wrong_form", 0.0, answer, f"wanted a formula, found {sign}")
    return None


def _by_algebra(answer: str, done: Done) -> Verdict:
    if done.how == "timeout":
        return Verdict("timeout", None, answer, done.message)
    if done.how == "error":
        return Verdict("error", None, answer, done.message)
    if done.value in ("equal", "different"):
        return Verdict("ok", float(done.value == "equal"), answer)
    if done.value == "answer unread":
        return Verdict("wrong_form", 0.0, answer, "the answer found is no formula that can be read")
    return Verdict("error", None, answer, "the gold answer is no formula that can be read")


def with_settings(asked: Settings) -> MathVerifier:
    """The verifier as `[verify]` asks for it."""
    return MathVerifier(
        fallback=asked.fallback,
        workers=asked.processes,
        timeout_s=asked.timeout_s,
        memory_mb=asked.memory_mb,
        cache_path=asked.cache,
    )
