"""A few prompts of a configuration run through every stage on this machine, to plan from what they took.

What happens once (imports, loading, the first pass) is told apart from what grows. The stages of the model
run twice: one prompt, then several, of which some are scored. Analysis and report, which cost little, run on
as many prompts as the whole run has, or on two numbers of them, with copies of the scored responses.
"""

import gc
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from acute.config import Config
from acute.plan import work
from acute.plan.pace import Took
from acute.plan.tokens import Load
from acute.plan.whole import Asked
from acute.run import Run, cpu_seconds
from acute.stages.copies import copies, some_of
from acute.verify.kinds import QUICK

A_PROMPT = 3e12  # operations of one prompt, sampled and scored, at the most; else fewer and shorter responses
SAMPLED = 3e11  # operations of sampling that the pace is measured over, about
SCORED = 1e12  # … of scoring: with those of the first prompt some 20 s of one core
MOST = 16  # prompts
FOLD_TOKENS = 120  # making and folding a gradient of all weights costs, in tokens fed forward
SHORT = 8  # tokens, and responses a fold, that responses are never cut below
ROOM = 64 << 20  # bytes of whole sketches that are copied
THIN = 1024  # numbers of a sketch, where whole ones take more
MOST_COPIES = 256  # prompts, of which the half is beyond where the page's map of prompts stops growing
MOST_ROWS = 300_000  # responses of the copies


class Sampled(NamedTuple):
    """A run through the model's stages: what it fed to the model, what its stages took, passes of scoring.

    `cost` is in tokens fed forward, of all prompts that were sampled; `scored` of those that were scored.
    """

    load: Load
    took: dict[str, Took]
    cost: float
    scored: float


class Copied(NamedTuple):
    """Analysis and report of so many prompts, with sketches of so many numbers."""

    prompts: int
    sketch_size: int
    took: dict[str, Took]


@dataclass(frozen=True)
class Trial:
    """What a trial measured. `copied` is one of as many prompts as the whole run has, or three: some prompts,
    the same once more, more of them."""

    prompts: Took
    verifiers: Took
    """What starting them takes; no part of what the stage verify took."""
    first: Sampled
    more: Sampled
    copied: list[Copied]
    k: int
    shortened: tuple[str, ...]
    mixed: bool
    """Whether any prompt had right and wrong responses."""


class Begun(NamedTuple):
    """A trial that has made the run's prompts, and loaded the program's parts that sampling needs."""

    folder: Path
    config: Config
    rows: pa.Table
    took: Took
    code: Took
    verifiers: dict[str, Took]


def begin(config: Config, folder: Path) -> Begun:
    """Do what a run does before it samples, in `folder`. Raises what the stages raise."""
    from acute.stages import run_until
    from acute.stages.plan import skeleton

    run = Run.create(folder / "prompts", config)
    run_until(run, "prompts")
    code = _timed(lambda: skeleton(config))  # imports the model's code, as a run does when it samples
    rows = run.prompts()
    return Begun(folder, config, rows, _took(run)["prompts"], code, _start(config, rows))


def _timed(step: Callable[[], object]) -> Took:
    began, used = time.monotonic(), cpu_seconds()
    step()
    return Took(time.monotonic() - began, cpu_seconds() - used)


def _start(config: Config, prompts: pa.Table) -> dict[str, Took]:
    """Start what verifying the prompts here may wait for, and end it; what each verifier took."""
    return {kind: _timed(partial(_start_one, config, kind)) for kind in _kinds_here(config, prompts)}


def _start_one(config: Config, kind: str) -> None:
    from acute.stages.verify import settings_of
    from acute.verify.verifiers import Verifiers

    with Verifiers(settings_of(config.verify)) as verifiers:
        verifiers.of(kind).start()


def _kinds_here(config: Config, prompts: pa.Table) -> list[str]:
    """The verifiers of the prompts, unless a cluster's workers hold them."""
    from acute.stages.verify import kinds_of

    on_cluster = config.sampling.backend == "ray"
    return [] if on_cluster else list(dict.fromkeys(kinds_of(prompts, config.verify.kind).values()))


def trial(begun: Begun, asked: Asked) -> Trial:
    """Run some prompts, drawn by the seed, through every stage. Raises what the stages raise."""
    config, shortened = _fitting(begun.config, asked)
    chosen = _spread(len(begun.rows), MOST, random.Random(config.seed))
    first_run = _sampled(begun, config, "first", chosen[len(chosen) // 2 :][:1])
    first, _ = _scored(begun, first_run, asked, 1)
    first.took["rollout"] = first.took["rollout"].plus(begun.code)
    count = min(len(chosen), max(1, int(SAMPLED // work.rollout(asked.shape, first.load))))
    if count > (batch := config.sampling.prompts_at_once):
        count -= count % batch  # whole batches, as a run has them
    more_run = _sampled(begun, config, "more", _spread(len(begun.rows), count, random.Random(config.seed)))
    mixed = not _without_signal(more_run)
    each = work.score(asked.shape, replace(first.load, signal=1.0), asked.scored)
    more, scored_run = _scored(begun, more_run, asked, max(1, int(SCORED // each)))
    copied = _copied(begun, more_run, scored_run, asked)
    starts = reduce(Took.plus, begun.verifiers.values(), Took(0.0, 0.0))
    return Trial(begun.took, starts, first, more, copied, max(config.analyse.k), shortened, mixed)


def _spread(rows: int, count: int, rng: random.Random) -> list[int]:
    """One of each of `count` equal stretches of the rows, drawn at random; all if there are no more."""
    count = min(rows, count)
    ends = [round(i * rows / count) for i in range(count + 1)]
    return [rng.randrange(a, b) for a, b in pairwise(ends)]


def _fitting(config: Config, asked: Asked) -> tuple[Config, tuple[str, ...]]:
    """The configuration, with fewer, then with shorter responses where one prompt would take too long."""
    folds, n, tokens = config.score.folds, config.sampling.n, config.sampling.max_tokens

    def too_much(n: int, tokens: int) -> bool:
        shorter = min(asked.load.response_tokens, tokens)
        load = replace(asked.load, prompts=1, n=n, response_tokens=shorter, signal=1.0)
        return work.rollout(asked.shape, load) + work.score(asked.shape, load, asked.scored) > A_PROMPT

    while too_much(n, tokens) and n > SHORT * folds:
        n = max(n // 2, SHORT * folds)
    while too_much(n, tokens) and tokens > SHORT:
        tokens = max(tokens // 2, SHORT)
    changed = {"fewer": n < config.sampling.n, "shorter": tokens < config.sampling.max_tokens}
    # some prompts may lack what these need
    analyse: dict[str, Any] = dict.fromkeys(("held_out", "labels", "easy", "hard"))
    sampling = config.sampling.model_copy(update={"n": n, "max_tokens": tokens})
    if changed["fewer"]:
        analyse |= {"k": tuple(k for k in config.analyse.k if k <= n // folds) or (1,), "beyond": ()}
    fitting = {"sampling": sampling, "analyse": config.analyse.model_copy(update=analyse), "control": None}
    return config.model_copy(update=fitting), tuple(how for how, yes in changed.items() if yes)


# -- the stages of the model ------------------------------------------------------------------------


def _sampled(begun: Begun, config: Config, name: str, places: Sequence[int]) -> Run:
    """A run of some prompts, sampled and verified."""
    from acute.stages import roll_out, verify

    run = Run.create(begun.folder / name, config)
    with run.stage("prompts"):
        run.write_prompts(begun.rows.take(pa.array(places)))
    roll_out(run)
    gc.collect()  # or a pause of the collector's may be what verifying, a short stage, seems to take
    verify(run)
    return run


def _without_start(begun: Begun, run: Run) -> Took:
    """What verifying took beside the start of verifiers; math starts none if nothing needs algebra."""
    took, told = _took(run)["verify"], run.record["stages"]["verify"]["verifiers"]
    for kind in _kinds_here(run.config, run.prompts()):
        started = told[kind]["pairs"].get("algebra") if kind == "math" else kind not in QUICK
        took = took.without(begun.verifiers[kind]) if started else took
    return took


def _scored(begun: Begun, run: Run, asked: Asked, count: int) -> tuple[Sampled, Run]:
    """Score up to `count` of a run's prompts that have a signal: their costs spread as those of all."""
    from acute.stages import score
    from acute.stages.plan import like

    took, prompts = _took(run), len(run.prompts())
    if _without_signal(run):
        _relabel(run)
    costs = {name: cost for name, cost in _costs(begun, run, asked).items() if cost}
    dearest = sorted(costs, key=lambda name: costs[name])
    count = min(count, len(dearest))
    names = [dearest[int((i + 0.5) * len(dearest) / count)] for i in range(count)]
    part = run if count == prompts else some_of(run, names)
    score(part)
    sampled = Sampled(
        Load(prompts, run.config.sampling.n, **like(run.path)),
        {**took, "verify": _without_start(begun, run), "score": _took(part)["score"]},
        sum(costs.values()),
        sum(costs[name] for name in names),
    )
    return sampled, part


def _costs(begun: Begun, run: Run, asked: Asked) -> dict[str, float]:
    """What the passes of each prompt cost, in tokens fed forward; 0 without a signal."""
    from acute.gradients.engines import Passes, expected, folded
    from acute.stages.groups import groups_of
    from acute.stages.policy import tokens_of, vocabulary_of

    config, fold = begun.config, FOLD_TOKENS * asked.scored.selected.count / asked.shape.stored
    tokenizer = vocabulary_of(config.model).tokenizer
    text = dict(zip(*(run.prompts()[name].to_pylist() for name in ("prompt_id", "prompt")), strict=True))
    passes = Passes(asked.scored.at_once, checkpointing=asked.scored.checkpointing)
    found: dict[str, float] = {}
    for group in groups_of(run):
        found[group.prompt_id] = 0.0
        if group.has_signal:
            task = group.task(tokens_of(tokenizer, text[group.prompt_id]), config.score.folds)
            found[group.prompt_id] = expected(task, passes)[1] + fold * folded(task, passes)
    return found


def _without_signal(run: Run) -> bool:
    table = run.responses().group_by("prompt_id").aggregate([("reward", "min"), ("reward", "max")])
    pairs = zip(table["reward_min"].to_pylist(), table["reward_max"].to_pylist(), strict=True)
    return not any(low == 0 and high == 1 for low, high in pairs)


def _relabel(run: Run) -> None:
    """Call every other response of a fold right, as something must be scored."""
    table = run.responses()
    place = table.column_names.index("reward")
    rewards = pa.array(_every_other(len(table), run.config.score.folds), pa.float64())
    run.write_responses(table.set_column(place, "reward", rewards))


def _every_other(rows: int, folds: int) -> list[float]:
    """1 for every other response, and for every other of each fold; response j is in fold j modulo folds.

    >>> _every_other(8, 2)
    [0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0]
    """
    return [float((i + (folds % 2 == 0) * (i // folds)) % 2) for i in range(rows)]


def _took(run: Run) -> dict[str, Took]:
    return {
        name: Took(facts["seconds"], facts["cpu_seconds"]) for name, facts in run.record["stages"].items()
    }


# -- analysis and report ----------------------------------------------------------------------------


def _copied(begun: Begun, sampled: Run, scored: Run, asked: Asked) -> list[Copied]:
    """Analysis and report of as many prompts as the run has; or of some, the same again, and of more."""
    from acute.stages import report, run_until

    prompts, score = asked.load.prompts, scored.config.score
    whole = prompts * score.folds * 2 * score.sketch_size * 4 <= ROOM
    size = score.sketch_size if whole else min(THIN, score.sketch_size)
    most = max(8, min(MOST_COPIES, MOST_ROWS // scored.config.sampling.n))
    found = []
    for number, count in enumerate([prompts] if prompts <= most else [most // 2, most // 2, most]):
        run = copies(sampled, scored, begun.rows, count, size, begun.folder / f"copies-{number}")
        run_until(run, "analyse")
        report(run)
        found.append(Copied(count, size, _took(run)))
    return found
