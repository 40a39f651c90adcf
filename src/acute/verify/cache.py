"""Verdicts on pairs (gold answer, answer), kept from run to run.

A pair is found again only under the same versions of everything that decides it. Time-outs and errors are
not kept: another machine, or another deadline, may do better. The file is SQLite, so that processes may share
it and a kill loses at most what was not yet committed; where it cannot be used, nothing is kept.
"""

import contextlib
import hashlib
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from acute.verify.verdict import Verdict

Pair = tuple[str, str]
BATCH = 500  # verdicts in one commit
_TABLE = (
    "CREATE TABLE IF NOT EXISTS verdicts (pair BLOB PRIMARY KEY, outcome TEXT, reward REAL) WITHOUT ROWID"
)


def default_path() -> Path:
    """ACUTE_CACHE, else the user's cache folder."""
    own = os.environ.get("ACUTE_CACHE")
    folder = Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "acute"
    return folder / "verdicts.sqlite"


class VerdictCache:
    """A mapping from pairs to verdicts; `why_not` says why it keeps nothing, where it does not."""

    def __init__(self, path: Path | None, versions: str) -> None:
        """`path` None: within this process alone."""
        self._versions = versions.encode()
        self._seen: dict[Pair, Verdict] = {}
        self._unsaved: list[tuple[bytes, str, float | None]] = []
        self._file: sqlite3.Connection | None = None
        self.why_not: str | None = None
        if path is not None:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._file = sqlite3.connect(path, timeout=10, check_same_thread=False)
                self._file.execute(_TABLE)
            except (OSError, sqlite3.Error) as error:
                self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self.why_not = f"{type(error).__name__}: {error}"
        if self._file is not None:
            with contextlib.suppress(sqlite3.Error):
                self._file.close()
        self._file, self._unsaved = None, []

    def _key(self, pair: Pair) -> bytes:
        gold, answer = (text.encode("utf-8", "surrogatepass") for text in pair)
        digest = hashlib.blake2b(self._versions, digest_size=16)
        digest.update(b"%d " % len(gold) + gold + answer)
        return digest.digest()

    def find(self, pairs: Sequence[Pair]) -> dict[Pair, Verdict]:
        """The verdicts that are known of some of the pairs; `answer_found` is the pair's answer."""
        unseen = [pair for pair in pairs if pair not in self._seen]
        for start in range(0, len(unseen) if self._file is not None else 0, BATCH):
            self._seen |= self._read(unseen[start : start + BATCH])
        return {pair: known for pair in pairs if (known := self._seen.get(pair)) is not None}

    def _read(self, pairs: Sequence[Pair]) -> dict[Pair, Verdict]:
        if self._file is None:
            return {}
        by_key = {self._key(pair): pair for pair in pairs}
        query = f"SELECT pair, outcome, reward FROM verdicts WHERE pair IN ({','.join('?' * len(by_key))})"
        try:
            rows = self._file.execute(query, list(by_key)).fetchall()
        except sqlite3.Error as error:
            self._give_up(error)
            return {}
        return {
            by_key[key]: Verdict(outcome, reward, by_key[key][1])
            for key, outcome, reward in rows
            if outcome in ("ok", "wrong_form") and reward in (0.0, 1.0)
        }

    def put(self, pair: Pair, verdict: Verdict) -> None:
        """Keep a verdict: for this process always, in the file unless checking failed."""
        self._seen[pair] = verdict
        if self._file is not None and verdict.reward is not None:
            self._unsaved.append((self._key(pair), verdict.outcome, verdict.reward))
            if len(self._unsaved) >= BATCH:
                self.save()

    def save(self) -> None:
        """Commit what is not in the file yet."""
        if self._file is None or not self._unsaved:
            return
        try:
            with self._file:
                self._file.executemany("INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?)", self._unsaved)
            self._unsaved = []
        except sqlite3.Error as error:
            self._give_up(error)

    def close(self) -> None:
        """Commit, and close the file."""
        self.save()
        if self._file is not None:
            self._file.close()
            self._file = None
