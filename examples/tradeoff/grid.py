"""Every trajectory of docs/results.md, in the order of its plan.

    python examples/tradeoff/grid.py            # about an hour and a half of one core
    python examples/tradeoff/grid.py --list

Writes one JSONL file a trajectory into results/. A trajectory that is there is not made again, one that was
cut off is made anew.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from exact import walk
from rich.progress import Progress
from sampled import sampled_walk
from world import World, fast_float32

HERE = Path(__file__).parent
RESULTS = HERE / "results"
PROMPTS = HERE.parent.parent / "src" / "acute" / "quickstart"


class Run(NamedTuple):
    """One trajectory. `seed` None: exact gradients."""

    mix: str
    optimizer: str
    rate: float
    method: str
    steps: int
    seed: int | None = None

    @property
    def path(self) -> Path:
        seed = "" if self.seed is None else f"-seed{self.seed}"
        return RESULTS / f"{self.mix}-{self.optimizer}-{self.rate:g}-{self.method}{seed}.jsonl"


def _runs(mix: str, optimizer: str, rate: float, steps: int, *methods: str) -> list[Run]:
    return [Run(mix, optimizer, rate, method, steps) for method in methods]


PLAN = [
    *_runs("override", "sgd", 0.01, 32, "pass@1", "pass@k", "projection"),
    *_runs("control", "sgd", 0.01, 12, "pass@1", "pass@k"),
    *_runs("override", "sgd", 0.01, 10, "reweighting", "annealing"),
    *_runs("override", "adamw", 1e-6, 8, "pass@1", "pass@k", "projection"),
    *_runs("override", "sgd", 0.01, 6, "projection-0.5", "upgrad", "adaptive-k", "clip"),
    *_runs("override", "sgd", 0.03, 6, "pass@1", "pass@k", "projection", "projection-0.5"),
    *[
        Run("override", "sgd", 0.01, method, 4, seed)
        for seed in range(3)
        for method in ("pass@1", "pass@k", "projection")
    ],
    *_runs("override", "adamw", 1e-6, 8, "reweighting"),
    *_runs("control", "adamw", 1e-6, 8, "pass@1", "pass@k"),
    *_runs("override", "adamw", 3e-6, 6, "pass@1", "pass@k", "projection"),
    *_runs("override", "sgd", 0.01, 6, "power", "pcd", "truncation"),
    *_runs("override", "sgd", 0.003, 12, "pass@1", "pass@k", "projection"),
]


def rounded(value: Any) -> Any:
    """Numbers to seven digits, so that files stay small."""
    if isinstance(value, dict):
        return {key: rounded(x) for key, x in value.items()}
    if isinstance(value, list):
        return [rounded(x) for x in value]
    return float(f"{value:.7g}") if isinstance(value, float) else value


def rows_of(run: Run, world: World) -> Iterator[dict[str, Any]]:
    """The trajectory's rows."""
    if run.seed is None:
        return walk(world, run.method, run.optimizer, run.rate, run.steps)
    return sampled_walk(world, run.method, run.optimizer, run.rate, run.steps, run.seed)


def make(run: Run, world: World, progress: Progress) -> None:
    """Walk one trajectory and write its file, whole or not at all."""
    task = progress.add_task(run.path.stem, total=run.steps)
    part = run.path.with_suffix(".part")
    with part.open("w", encoding="utf-8") as file:
        began = time.process_time()
        for row in rows_of(run, world):
            row["cpu_s"] = round(time.process_time() - began, 1)
            file.write(json.dumps(rounded(row)) + "\n")
            file.flush()
            progress.update(task, completed=row["step"])
    part.rename(run.path)


def main() -> None:
    """Make what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="print the plan and what is there")
    if parser.parse_args().list:
        for run in PLAN:
            print(f"{'done' if run.path.exists() else 'to do'}  {run.path.name}  {run.steps} steps")
        return
    fast_float32()
    RESULTS.mkdir(exist_ok=True)
    worlds: dict[str, World] = {}
    with Progress() as progress:
        for run in PLAN:
            if run.path.exists():
                continue
            if run.mix not in worlds:
                worlds.clear()  # one model in memory at a time
                worlds[run.mix] = World(PROMPTS / f"{run.mix}.jsonl")
            make(run, worlds[run.mix], progress)


if __name__ == "__main__":
    main()
