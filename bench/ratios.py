"""Contenders timed in turn, again and again, in one process: ratios that a noisy machine cannot bend.

Times are CPU seconds of this process. Every round runs every contender once; a ratio is taken within its
round, and reported as median, smallest and largest over the rounds.
"""

import importlib.metadata
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

RESULTS = Path(__file__).parent / "results"
PACKAGES = (
    *("acute", "numpy", "pyarrow", "torch", "transformers", "trl"),
    *("bergson", "torchjd", "opacus", "traker"),
)


class Ratio(NamedTuple):
    """One contender's time in units of the baseline's."""

    median: float
    smallest: float
    largest: float
    seconds: float  # median of the contender
    rounds: int


def interleaved(
    contenders: Mapping[str, Callable[[], object]], rounds: int = 5, warm_up: bool = True
) -> dict[str, list[float]]:
    """CPU seconds of each contender in each round, after one round that does not count, if asked for."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(0 if warm_up else 1, rounds + 1):
        for name, run in contenders.items():
            began = time.process_time()
            run()
            seconds = time.process_time() - began
            print(f"round {number}, {name}: {seconds:.2f} s", file=sys.stderr, flush=True)
            if number:
                times[name].append(seconds)
    return times


def ratios(times: Mapping[str, list[float]], baseline: str) -> dict[str, Ratio]:
    """Each contender against the baseline, round by round."""
    found = {}
    for name, own in times.items():
        each = [a / b for a, b in zip(own, times[baseline], strict=True)]
        found[name] = Ratio(statistics.median(each), min(each), max(each), statistics.median(own), len(own))
    return found


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def earlier(name: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Rows and versions of `results/NAME.json` as it is; both empty where there is none."""
    path = RESULTS / f"{name}.json"
    if not path.exists():
        return {}, {}
    found = json.loads(path.read_text())
    return found["rows"], found["versions"]


def kept(
    found: dict[str, Any], before: Mapping[str, Any], versions: Mapping[str, str], peers: Iterable[str]
) -> dict[str, Any]:
    """`found`, with the rows that an earlier run has of peers that are not installed now.

    A peer is not installed if it has no row, or one with `installed` false. A kept row says under `earlier`
    which versions it was measured with.
    """
    rows = dict(found)
    for peer in peers:
        absent = peer not in found or not found[peer].get("installed", True)
        if absent and peer in before and "failed" not in before[peer]:
            rows[peer] = {"earlier": dict(versions), **before[peer]}
            print(f"{peer}: not installed, so not measured now; the row of an earlier run is kept")
    return rows


def record(name: str, rows: Any) -> None:
    """Write `results/NAME.json`: the rows, the machine, the versions."""
    RESULTS.mkdir(exist_ok=True)
    found = {
        "machine": {"processor": _processor(), "cores": os.cpu_count(), "system": platform.system()},
        "python": platform.python_version(),
        "threads": os.environ.get("OMP_NUM_THREADS"),
        "versions": {p: v for p in PACKAGES if (v := _version(p))},
        "rows": rows,
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
