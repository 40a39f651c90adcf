"""A run folder: one configuration, its tables, and what is needed to repeat it.

Everything is written whole or not at all. A stage counts as done only once `run.json` says so; inside
a stage the finished parts stand in `.parts/`, so a killed run goes on where it stopped. `run.json` keeps
the checksums of finished files (`acute.checksum`).
"""

import fcntl
import io
import json
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from acute import __version__
from acute.checksum import digest, refuse_damaged
from acute.config import Config, parse
from acute.errors import ConfigError, InputError, OutsideError
from acute.parts import Parts
from acute.table import (
    PROMPTS,
    PROMPTS_REQUIRED,
    RESPONSES,
    RESPONSES_REQUIRED,
    read_batches,
    read_table,
    table_bytes,
    with_estimates,
    write_atomically,
)
from acute.versions import commit, installed_versions

STAGES = ("prompts", "rollout", "verify", "score", "analyse", "report")
# stage: what it was made from. Memory and device are no part of it: they change nothing but rounding.
MADE_FROM: dict[str, tuple[str, ...]] = {
    "prompts": ("seed", "model.name", "prompts", "imported"),
    "rollout": (
        "model.dtype",
        "model.adapter",
        "sampling.n",
        "sampling.temperature",
        "sampling.top_p",
        "sampling.max_tokens",
        "sampling.stop",
        "sampling.backend",
        "score.folds",
        "server.model",
        "server.kind",
        "server.api",
        "ray.engine",
    ),
    "verify": (
        "verify.kind",
        "verify.fallback",
        "verify.timeout_s",
        "verify.memory_mb",
        "verify.sandbox",
        "verify.threshold",
        "verify.conversational",
    ),
    "score": (
        "score.parameters",
        "score.engine",
        "score.metric",
        "score.adam_state",
        "score.sketch_size",
        "score.sketch_dtype",
    ),
    "analyse": (),
    "report": (),
}
DONE_AGAIN = ("verify", "score")  # other settings redo these; the stages before would lose responses
OUTPUT = {  # stage: the file that it leaves
    "prompts": "prompts.parquet",
    "rollout": "responses.parquet",
    "verify": "responses.parquet",
    "score": "sketch.json",
    "analyse": "analysis.json",
    "report": "report.html",
}
RECORD = ("config", "stages", "checks", "left_out")  # what every run.json holds


def cpu_seconds() -> float:
    """Processor time of this process and of its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _lines(analysis: dict[str, Any]) -> str:
    """JSON with a line a key, and a line a row where a key holds rows (indenting takes ten times as long)."""

    def text(value: Any) -> str:
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return "[\n  " + ",\n  ".join(json.dumps(row, allow_nan=False) for row in value) + "\n ]"
        return json.dumps(value, allow_nan=False)

    return (
        "{\n" + ",\n".join(f" {json.dumps(key)}: {text(value)}" for key, value in analysis.items()) + "\n}\n"
    )


def _value(config: dict[str, Any], dotted: str) -> Any:
    """A setting; None in a section that is not there."""
    found: Any = config
    for key in dotted.split("."):
        found = None if found is None else found[key]
    return found


def _make_folder(path: Path) -> None:
    """A new folder for a run. InputError if something else is there, OutsideError if it cannot be made."""
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is a file: wanted a folder to make or go on with, choose another --out")
    other = path.exists() and any(not p.name.startswith((".lock", ".run.json.")) for p in path.iterdir())
    if other and not (path / "run.json").exists():  # which another process may just have made
        raise InputError(
            f"{path} is no run folder and not empty: choose another --out, or remove what is there"
        )
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutsideError(f"could not make the run folder {path}: {error.strerror}") from error


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a folder for this process; the system lets go if the process dies.

    Raises InputError if another process holds it, OutsideError if it cannot be locked.
    """
    lock = path / ".lock"
    try:
        file = lock.open("w")
    except OSError as error:
        raise OutsideError(f"could not lock {path}: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"another process works on {path}: wait for it, or choose another --out"
            ) from None
        except OSError as error:  # some network file systems have no locks
            raise OutsideError(f"could not lock {path}: {error.strerror}") from error
        yield


class Analysis(dict[str, Any]):
    """What analysis.json holds; in a notebook it shows its verdict and its tables."""

    def _repr_html_(self) -> str:
        from acute.report.notebook import analysis_html

        return analysis_html(self)


class Run:
    """An opened run folder. Make one with `Run.create` or `Run.open`."""

    def __init__(self, path: Path, record: dict[str, Any]) -> None:
        self.path = path
        self.record = record
        self.config: Config = parse(record["config"], str(path / "run.json"))
        self._written: set[str] = set()

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, done: {', '.join(self.record['stages']) or 'nothing'})"

    def _repr_html_(self) -> str:
        from acute.report.notebook import run_html

        return run_html(
            str(self.path), self.record, STAGES, self.analysis() if self.stands("analyse") else None
        )

    @classmethod
    def create(cls, path: str | Path, config: Config) -> "Run":
        """Start a run folder, or go on with the one that is there under these settings.

        What they change of verify and score is done again. Raises ConfigError if prompts or responses were
        made with other ones, InputError if the folder holds something else or another process holds it.
        """
        path = Path(path)
        if not (path / "run.json").exists():
            _make_folder(path)
        with held(path):
            if (path / "run.json").exists():
                run = cls.open(path)
                run._accept(config)
                return run
            record = {
                "acute": __version__,
                "config": config.model_dump(mode="json"),
                "seed": config.seed,
                "versions": installed_versions(),
                "git": commit(),
                "stages": {},
                "checks": {},
                "left_out": {},
                "files": {},
            }
            run = cls(path, record)
            run._save()
            return run

    @classmethod
    def open(cls, path: str | Path) -> "Run":
        """Open a run folder. Raises InputError if there is none or if its run.json cannot be read."""
        path = Path(path)
        try:
            record = json.loads((path / "run.json").read_text(encoding="utf-8"))
        except NotADirectoryError:
            raise InputError(
                f"wanted the folder of a run, found the file {path}: acute run {path} makes one"
            ) from None
        except OSError:
            raise InputError(
                f"wanted a run folder at {path}, found no run.json there: acute run --out {path} makes one"
            ) from None
        except ValueError as error:
            raise InputError(f"{path / 'run.json'}: wanted JSON, found a fault: {error}") from None
        if not isinstance(record, dict) or not all(isinstance(record.get(key), dict) for key in RECORD):
            raise InputError(
                f"{path / 'run.json'}: wanted the record of a run, with {', '.join(RECORD)}; found "
                f"{', '.join(record) or 'nothing' if isinstance(record, dict) else type(record).__name__}"
            )
        return cls(path, record)

    def _accept(self, config: Config) -> None:
        """Take over new settings. The folder is locked."""
        old, new = self.config.model_dump(mode="json"), config.model_dump(mode="json")
        if old == new:
            return
        for stage, keys in MADE_FROM.items():
            begun = stage in self.record["stages"] or self.parts(stage)
            changed = [key for key in keys if _value(old, key) != _value(new, key)]
            if not begun or not changed:
                continue
            if stage not in DONE_AGAIN:
                key = changed[0]
                raise ConfigError(
                    f"{self.path} was made with {key} = {_value(old, key)!r}, found {_value(new, key)!r} "
                    f"now: choose another --out, or remove the folder"
                )
            for later in STAGES[STAGES.index(stage) :]:
                self.record["stages"].pop(later, None)
                self.parts(later).clear()
        if _value(old, "sampling.prompts_at_once") != _value(new, "sampling.prompts_at_once"):
            self.parts("rollout").clear()  # parts are cut by it; the same seed draws them again
        for stage in ("analyse", "report"):
            self.record["stages"].pop(stage, None)
        self.record["config"], self.record["seed"], self.config = new, config.seed, config
        self._save()

    def _save(self) -> None:
        write_atomically(self.path / "run.json", json.dumps(self.record, indent=1).encode())

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder for this process; the system lets go if the process dies.

        What another process has done since the folder was opened is taken over, and what a killed one
        left half written is removed. Raises InputError if another process holds it.
        """
        with held(self.path):
            now = Run.open(self.path)
            if now.config != self.config:
                raise InputError(
                    f"another process has just changed the settings of {self.path}: start again, or choose "
                    f"another --out"
                )
            self.record = now.record
            for folder in (self.path, self.path / ".parts"):
                for half_written in folder.glob(".*.part"):
                    half_written.unlink()
            yield

    def done(self, stage: str) -> bool:
        """Whether a stage has ended."""
        return stage in self.record["stages"]

    def stands(self, stage: str) -> bool:
        """Whether a stage has ended and the file it left is still there."""
        return self.done(stage) and (self.path / OUTPUT[stage]).exists()

    @contextmanager
    def stage(self, name: str) -> Iterator[dict[str, Any]]:
        """Time a stage and record it as done once the block ends; the dictionary takes facts about it.

        `seconds` are by the clock; `cpu_seconds` are the processors' own, children that have ended included.
        """
        facts: dict[str, Any] = {}
        started, used = time.monotonic(), cpu_seconds()
        yield facts
        parts = self.parts(name)
        if found := parts.set_aside():
            facts["set_aside"] = found
        self.record["stages"][name] = {
            "seconds": round(time.monotonic() - started, 3),
            "cpu_seconds": round(cpu_seconds() - used, 3),
            **facts,
        }
        for later in STAGES[STAGES.index(name) + 1 :]:
            self.record["stages"].pop(later, None)
        for file in self._written:
            self.record["files"][file] = self.record["files"][file][-1:]
        self._written.clear()
        self._save()
        parts.clear()

    def remember(self, kind: str, facts: dict[str, Any]) -> None:
        """Add facts to run.json under `checks` or `left_out`."""
        self.record[kind].update(facts)
        self._save()

    def parts(self, stage: str) -> Parts:
        """The finished parts of a stage."""
        return Parts(self.path / ".parts", stage)

    # -- finished files -----------------------------------------------------------------------------

    def expect(self, name: str, checksum: str) -> None:
        """Note a file's checksum before the file is replaced: a kill leaves one of two that are known."""
        known = self.record.setdefault("files", {}).setdefault(name, [])
        self.record["files"][name] = [*(old for old in known if old != checksum), checksum]
        self._written.add(name)
        self._save()

    def _write(self, name: str, content: bytes) -> None:
        self.expect(name, digest(content))
        write_atomically(self.path / name, content)

    def prompts(self) -> pa.Table:
        """The prompts. Raises TableError, InputError if the file is not what was written."""
        refuse_damaged(self.path, "prompts.parquet")
        return read_table(self.path / "prompts.parquet", PROMPTS, PROMPTS_REQUIRED)

    def responses(self) -> pa.Table:
        """The responses, with the columns that the stages so far have added. Raises as `prompts`."""
        refuse_damaged(self.path, "responses.parquet")
        return read_table(self.path / "responses.parquet", RESPONSES, RESPONSES_REQUIRED)

    def response_batches(self, names: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        """Some columns of the responses, never all in memory. Raises as `prompts`."""
        refuse_damaged(self.path, "responses.parquet")
        return read_batches(self.path / "responses.parquet", RESPONSES, names)

    def prompt_table(self) -> pa.Table:
        """A row a prompt: prompts.parquet and beside it what the analysis found of each.

        After the prompt's own columns `responses`, `successes`, `truncated` (int64) and, for each of
        p, weight, agreement, agreement_shrunk, contribution and share, four of float64: NAME, NAME_se,
        NAME_lo, NAME_hi (95 %), null where unknown. Raises InputError where nothing is analysed yet.
        """
        analysis = self.analysis()
        return with_estimates(self.prompts(), analysis.get("per_prompt") or [])

    def write_prompts(self, table: pa.Table) -> None:
        """Write prompts.parquet atomically."""
        self._write("prompts.parquet", table_bytes(table))

    def write_responses(self, table: pa.Table) -> None:
        """Write responses.parquet atomically."""
        self._write("responses.parquet", table_bytes(table))

    def analysis(self) -> Analysis:
        """analysis.json. Raises InputError if it is not there or cannot be read."""
        path = self.path / "analysis.json"
        refuse_damaged(self.path, path.name)
        try:
            found = Analysis(json.loads(path.read_text(encoding="utf-8")))
        except OSError:
            raise InputError(
                f"{self.path} has no analysis.json: run acute analyse {self.path} first"
            ) from None
        except ValueError as error:
            raise InputError(
                f"{path}: wanted JSON, found a fault: {error}: run acute analyse again"
            ) from None
        return found

    def write_analysis(self, analysis: dict[str, Any]) -> None:
        """Write analysis.json atomically; NaN is refused, unknown is null."""
        self._write("analysis.json", _lines(analysis).encode())

    def write_kernel(self, prompt_ids: list[str], kernel: Any, se: Any, sketch_se: Any) -> None:
        """Write kernel.npz atomically: `prompt_id` (N,); `kernel`, `kernel_se`, `kernel_se_sketch` (N, N)."""
        buffer = io.BytesIO()
        errors = {"kernel_se": se, "kernel_se_sketch": sketch_se}
        np.savez(buffer, prompt_id=np.array(prompt_ids), kernel=kernel, **errors)
        self._write("kernel.npz", buffer.getvalue())
