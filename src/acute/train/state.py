"""What a training remembers between measurements, in checkpoints, and the log it writes."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acute.errors import InputError

if TYPE_CHECKING:
    from acute.train.measure import Conflict

STATE_FILE = "acute.json"
LOG_FILE = "acute.jsonl"
EVALUATION_FILE = "evaluation.jsonl"


@dataclass
class State:
    """The last measurement, as later steps use it."""

    measured_at: int | None = None
    """Step of the last measurement; None before the first."""
    inner: float | None = None
    """⟨∇J_k, ∇J_1⟩, averaged over measurements as `memory` says; also the two squared norms."""
    norm_1: float | None = None
    norm_k: float | None = None
    p_value: float | None = None
    bounds_k: list[int] = field(default_factory=list)
    bounds_lower: list[float | None] = field(default_factory=list)
    agreement: dict[str, float] = field(default_factory=dict)
    """a(x) of every prompt measured so far, by prompt key."""

    def take(self, found: "Conflict", step: int, memory: float) -> None:
        """Remember a measurement: `memory` of the former inner products stays. What it could not tell is
        forgotten rather than kept from before: unknown is not the old value."""
        seen = found.seen
        self.measured_at = step
        old = (self.inner, self.norm_1, self.norm_k)
        new = (seen.inner, seen.norm_1, seen.norm_k)
        if not all(isfinite(value) for value in new):
            self.inner = self.norm_1 = self.norm_k = self.p_value = None
            return
        kept = [b if a is None else memory * a + (1 - memory) * b for a, b in zip(old, new, strict=True)]
        self.inner, self.norm_1, self.norm_k = kept
        self.p_value = found.bounds.p_value
        self.bounds_k, self.bounds_lower = list(found.bounds.k), list(found.bounds.lower)
        self.agreement.update({key: a for key, a in found.agreement.items() if isfinite(a)})

    def save(self, checkpoint: Path, step: int) -> None:
        """Write the state into a checkpoint's folder. It is the last file of a checkpoint, so its presence
        says that the checkpoint is whole."""
        whole = checkpoint / f"{STATE_FILE}.part"
        whole.write_text(json.dumps({"step": step, **asdict(self)}), encoding="utf-8")
        whole.rename(checkpoint / STATE_FILE)

    @classmethod
    def load(cls, checkpoint: Path) -> tuple["State", int]:
        """The state in a checkpoint's folder, and the step it was saved at. InputError if it is not there."""
        try:
            found = json.loads((checkpoint / STATE_FILE).read_text(encoding="utf-8"))
        except OSError:
            raise InputError(
                f"{checkpoint} has no {STATE_FILE}: wanted a checkpoint that PassKTrainer saved, whole"
            ) from None
        except ValueError as error:
            raise InputError(f"{checkpoint / STATE_FILE}: wanted JSON, found a fault: {error}") from None
        step = found.pop("step")
        return cls(**found), step


def last_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint of an output folder, None if there is none."""
    whole = [p.parent for p in folder.glob(f"checkpoint-*/{STATE_FILE}")]
    return max(whole, key=lambda p: int(p.name.rsplit("-", 1)[1]), default=None)


def keep_newest(folder: Path, count: int) -> None:
    """Remove all whole checkpoints but the `count` of most steps; each first loses what makes it whole."""
    whole = [p.parent for p in folder.glob(f"checkpoint-*/{STATE_FILE}")]
    for old in sorted(whole, key=lambda p: int(p.name.rsplit("-", 1)[1]))[:-count]:
        (old / STATE_FILE).unlink()
        shutil.rmtree(old, ignore_errors=True)


def cut_log(folder: Path, step: int, name: str = LOG_FILE) -> None:
    """Keep the rows of a log before `step`; a row that a killed process left in part goes too.

    Where none is kept the log may be another training's: it stays beside, as `NAME.former`.
    """
    path = folder / name
    if path.exists():
        rows = read_log(folder, name)
        kept = [row for row in rows if row["step"] < step]
        if rows and not kept:
            shutil.copyfile(path, folder / f"{name}.former")
        part = path.with_suffix(".part")
        part.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")
        part.rename(path)


def append_log(folder: Path, row: Mapping[str, Any], name: str = LOG_FILE) -> None:
    """Add one row. NaN is refused: unknown is null."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("a", encoding="utf-8") as file:
        file.write(json.dumps(row, allow_nan=False) + "\n")


def read_log(folder: Path, name: str = LOG_FILE) -> list[dict[str, Any]]:
    """The rows of a log. A last line without its end is a killed process's and left out."""
    text = (folder / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
