"""A few prompts of a configuration run through every stage on this machine, to plan from what they took."""

import random
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from acute.config import Config
from acute.plan import work
from acute.plan.times import ANALYSE_PROMPT_S, ANALYSE_RATE, REPORT_PROMPT_S, VERIFY_S, Stage
from acute.plan.tokens import Load
from acute.plan.whole import Asked
from acute.run import Run

OPERATIONS = 3e12  # of sampling and scoring that a trial is made of, about: some 20 s of one core
FEWEST, MOST = 2, 8  # prompts
SHORT = 8  # tokens, and responses a fold, where whole responses would take too long


class Trial(NamedTuple):
    """What a trial measured: `took` holds seconds and CPU seconds by stage."""

    load: Load
    took: dict[str, tuple[float, float]]
    shortened: bool


def trial(config: Config, asked: Asked, starting: tuple[float, float]) -> Trial:
    """Run some prompts, drawn by the seed, in a folder that goes away again.

    `starting` are seconds and CPU seconds that were spent before, on what a run does in its first stage.

    Raises what the stages raise.
    """
    config, shortened = _fitting(config, asked)
    with tempfile.TemporaryDirectory() as folder:
        run = Run.create(Path(folder) / "trial", config)
        load, took = _measured(run, config, asked), _seconds(run)
    seconds, cpu = took["prompts"]
    took["prompts"] = seconds + starting[0], cpu + starting[1]
    return Trial(load, took, shortened)


def _fitting(config: Config, asked: Asked) -> tuple[Config, bool]:
    """The configuration, with fewer and shorter responses where whole ones would take too long."""
    if _operations(asked, asked.load.prompts) / asked.load.prompts <= OPERATIONS:
        return config, False
    folds = config.score.folds
    n, tokens = min(config.sampling.n, SHORT * folds), min(config.sampling.max_tokens, SHORT)
    sampling = config.sampling.model_copy(update={"n": n, "max_tokens": tokens})
    k = tuple(k for k in config.analyse.k if k <= n // folds) or (1,)
    analyse = config.analyse.model_copy(update={"k": k, "beyond": (), "held_out": None, "labels": None})
    return config.model_copy(update={"sampling": sampling, "analyse": analyse}), True


def _operations(asked: Asked, prompts: int) -> float:
    load = replace(asked.load, prompts=prompts)
    return (
        work.prefill(asked.shape, load)
        + work.decode(asked.shape, load)
        + work.score(asked.shape, load, asked.scored)
    )


def _measured(run: Run, config: Config, asked: Asked) -> Load:
    """Take the trial's run through its stages; what it fed to the model."""
    from acute.stages import report, roll_out, run_until, score, verify
    from acute.stages.plan import like

    run_until(run, "prompts")
    rows = run.prompts()
    each = _operations(asked, 1)
    count = min(len(rows), MOST, max(FEWEST, int(OPERATIONS // each)))
    kept = sorted(random.Random(config.seed).sample(range(len(rows)), count))
    run.write_prompts(rows.take(kept))
    roll_out(run)
    verify(run)
    if _without_signal(run):
        _relabel(run)
    score(run)
    found = like(run.path)
    run_until(run, "analyse")
    report(run)
    return Load(count, config.sampling.n, **found)


def _without_signal(run: Run) -> bool:
    table = run.responses().group_by("prompt_id").aggregate([("reward", "min"), ("reward", "max")])
    pairs = zip(table["reward_min"].to_pylist(), table["reward_max"].to_pylist(), strict=True)
    return not any(low == 0 and high == 1 for low, high in pairs)


def _relabel(run: Run) -> None:
    """Call every other response right, as the time of scoring does not depend on which ones are."""
    table = run.responses()
    place = table.column_names.index("reward")
    rewards = pa.array([float(i % 2) for i in range(len(table))], pa.float64())
    run.write_responses(table.set_column(place, "reward", rewards))


def _seconds(run: Run) -> dict[str, tuple[float, float]]:
    return {name: (facts["seconds"], facts["cpu_seconds"]) for name, facts in run.record["stages"].items()}


def stages(config: Config, asked: Asked, tried: Trial) -> list[Stage]:
    """Each stage of the whole run, from the trial's seconds and how much more there is to do."""
    load, shape, scored = asked.load, asked.shape, asked.scored
    few = tried.load
    more = {
        "prompts": 1.0,
        "rollout": _rollout(asked, load) / _rollout(asked, few),
        "verify": 1.0 if config.verify.kind in ("short", "exact") else load.responses / few.responses,
        "score": work.score(shape, load, scored) / work.score(shape, few, scored),
        "analyse": 1.0,
        "report": 1.0,
    }
    ks = asked.k
    added = {
        "verify": VERIFY_S.get(config.verify.kind, 0.0) * (load.responses - few.responses)
        if config.verify.kind in ("short", "exact")
        else 0.0,
        "analyse": (load.prompts - few.prompts) * ANALYSE_PROMPT_S
        + (
            work.analyse(load.prompts, scored, ks, asked.kernel)
            - work.analyse(few.prompts, scored, ks, kernel=True)
        )
        / ANALYSE_RATE,
        "report": (load.prompts - few.prompts) * REPORT_PROMPT_S,
    }
    found = []
    for name, factor in more.items():
        seconds, cpu = tried.took[name]
        extra = max(added.get(name, 0.0), 0.0)
        found.append(Stage(name, factor * seconds + extra, factor * cpu + extra, "as in the trial"))
    return found


def _rollout(asked: Asked, load: Load) -> float:
    return work.prefill(asked.shape, load) + work.decode(asked.shape, load)


def shown_by(tried: Trial) -> list[str]:
    """What the plan rests on, in words."""
    how = ", fewer and shorter ones than asked" if tried.shortened else ""
    took = sum(seconds for seconds, _ in tried.took.values())
    return [
        f"seconds: from {tried.load.prompts} prompts × {tried.load.n} responses{how}, tried on this machine "
        f"(as busy as it is now) in {took:.0f} s"
    ]


def learnt(load: Load, tried: Trial, response_tokens: float | None) -> Load:
    """The load with what whole responses of the trial show: their length, and how much they share."""
    length = tried.load.response_tokens if response_tokens is None else response_tokens
    return replace(load, distinct=tried.load.distinct, response_tokens=length, signal=1.0)
