"""What measuring and mitigating adds to a training step, against the same step of plain GRPOTrainer.

`python bench/bench_train.py` on examples/tradeoff/projection.toml; three minutes of one core. Two trainings:
plain TRL's, and one that measures at every second step, so that steps with and without a measurement are
timed in the same process; the first step of each is not counted. At measure_every = N a step costs 1/N of the
one and (N-1)/N of the other. Wanted: at most 1.6 times plain TRL's at 1, at most 1.1 times at 8. In CPU time,
so that other work on the machine does not count. Writes bench/results/train.json; ends with 1 where a bound
is missed.
"""

import json
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
import transformers
import trl
from transformers import TrainerCallback

from acute.train.config import load
from acute.train.session import make_trainer

HERE = Path(__file__).parent
EXAMPLE = HERE.parent / "examples" / "tradeoff" / "projection.toml"
WANTED = {1: 1.6, 8: 1.1}
COUNTED = {None: 2, 2: 4}  # measure_every: steps after the first


class Marks(TrainerCallback):
    """CPU time at the end of each step."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_step_end(self, *_, **__) -> None:
        self.times.append(time.process_time())
        print(".", end="", file=sys.stderr, flush=True)


def seconds(measure_every: int | None) -> list[float]:
    """CPU seconds of each step after the first; None is plain TRL."""
    import acute.train.trl as ours

    config = load(EXAMPLE)
    changes = {"steps": COUNTED[measure_every] + 1, "evaluate_every": 0}
    if measure_every is not None:
        changes["measure_every"] = measure_every
    config = config.model_copy(update={"train": config.train.model_copy(update=changes)})
    whole = ours.PassKTrainer
    if measure_every is None:

        class Plain(trl.GRPOTrainer):
            def __init__(self, *args, options, **kwargs):
                del options
                super().__init__(*args, **kwargs)

        ours.PassKTrainer = Plain
    try:
        with tempfile.TemporaryDirectory() as folder:
            trainer = make_trainer(config, Path(folder))
            trainer.args.save_strategy = "no"
            marks = Marks()
            trainer.add_callback(marks)
            trainer.train()
    finally:
        ours.PassKTrainer = whole
    return [b - a for a, b in zip(marks.times, marks.times[1:], strict=False)]


def main() -> None:
    """Measure, print, write, judge."""
    torch.set_float32_matmul_precision("medium")  # the same for all; faster on some processors
    plain, ours = seconds(None), seconds(2)
    base, without, measured = (statistics.mean(some) for some in (plain, ours[::2], ours[1::2]))
    print(f"\nplain GRPOTrainer: {base:.2f} s a step (CPU time, {len(plain)} steps)")
    print(f"PassKTrainer, projection: {without:.2f} s without a measurement, {measured:.2f} s with one")
    ratios = {every: (measured + (every - 1) * without) / every / base for every in WANTED}
    for every, wanted in WANTED.items():
        print(f"measure_every = {every}: {ratios[every]:.2f} times (at most {wanted})")
    found = {
        "seconds_a_step": {"plain": plain, "without": ours[::2], "measured": ours[1::2]},
        "ratio": ratios,
        "wanted": WANTED,
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "versions": {m.__name__: m.__version__ for m in (torch, transformers, trl)},
    }
    (HERE / "results").mkdir(exist_ok=True)
    (HERE / "results" / "train.json").write_text(json.dumps(found, indent=1) + "\n")
    sys.exit(any(ratios[every] > wanted for every, wanted in WANTED.items()))


if __name__ == "__main__":
    main()
