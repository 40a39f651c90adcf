"""The campaign: which faults, in which stages, from which seeds; and what came of them."""

import json
import tempfile
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from tests.faults import inject, kinds, launched, world
from tests.faults.case import Case
from tests.faults.process import adopt_orphans


@dataclass(frozen=True)
class Planned:
    """A kind of fault in a stage, so many times."""

    name: str
    stage: str
    fault: object
    times: int = 1
    short: int = 0
    """How often in the short campaign."""
    world: str = "plain"
    state: str | None = None
    """What the folder holds before, if not the stage before."""


def _all(name, fault, short=(), **times):
    return [Planned(name, stage, fault, n, int(stage in short)) for stage, n in times.items()]


def plan():
    """Every fault of the campaign."""
    files = {"prompts.parquet": "verify", "responses.parquet": "verify", "sketch.npy": "analyse",
             "sketch.json": "analyse", "analysis.json": "report"}  # fmt: skip
    nan = {
        "logits of NaN": inject.logits_with(float("nan")),
        "logits of inf": inject.logits_with(float("inf")),
    }
    return [
        *_all("kill -9 at a touch", kinds.kill_at_a_touch, ("rollout", "verify", "score", "import"),
              prompts=3, rollout=5, verify=4, score=5, analyse=3, report=2, **{"import": 3}),
        Planned("kill -9 at a touch", "score", kinds.kill_at_a_touch, 3, world="dots"),
        Planned("kill -9 at a touch", "verify", kinds.kill_at_a_touch, 2, world="pool"),
        Planned("kill -9 at a touch", "verify", kinds.kill_at_a_touch, 2, world="programs"),
        *_all("kill -9 at a moment", kinds.kill_at_a_moment, rollout=2, verify=1, score=2, analyse=1),
        *_all("SIGTERM, SIGINT", kinds.stopped, ("score",),
              prompts=2, rollout=2, verify=1, score=2, analyse=2, report=1, **{"import": 1}),
        Planned("SIGTERM, SIGINT", "verify", kinds.stopped, 2, world="pool"),
        Planned("SIGTERM, SIGINT", "verify", kinds.stopped, 2, world="programs"),
        *_all("part damaged", kinds.damaged_part, ("rollout", "score"), rollout=3, verify=3, score=4),
        *[Planned("file damaged", stage, partial(kinds.damaged_file, name=name), 2, name == "sketch.npy")
          for name, stage in files.items()],
        *_all("disk full", kinds.disk_full, ("score",),
              prompts=1, rollout=2, verify=1, score=2, analyse=1, report=1, **{"import": 1}),
        Planned("small disk", "prompts", kinds.small_disk, 3),
        *_all("files limited", kinds.file_limit, rollout=1, score=1),
        *_all("MemoryError", kinds.out_of_memory, rollout=1, verify=1, score=1, analyse=1),
        *_all("no memory for tensors", kinds.no_memory_for_tensors, ("rollout",), rollout=1, score=1),
        *[Planned(what, stage, partial(kinds.not_finite, change=change, what=what), 1, stage == "rollout")
          for what, change in nan.items() for stage in ("rollout", "score")],
        Planned("gradients of NaN", "score",
                partial(kinds.not_finite, change=inject.gradients_of_nan, what="gradients"), 2, 1),
        *_all("another model", kinds.other_model, ("rollout",), rollout=1, score=1),
        Planned("worker killed", "verify", kinds.killed_worker, 4, 1, world="pool"),
        Planned("sandbox killed", "verify", kinds.killed_worker, 6, world="programs"),
        *_all("three at once", kinds.two_at_once, ("prompts",), prompts=2, score=1),
        *_all("a second command", kinds.late_comer, rollout=1, score=1),
        *_all("clock jumps", kinds.jumping_clock, rollout=1, verify=1, score=1),
        Planned("rank killed", "score", kinds.killed_rank, 5, 1),
        Planned("part damaged, ranks", "score", kinds.damaged_part_of_ranks, 1),
        Planned("rank of torchrun killed", "score", launched.killed_rank_of_torchrun, 3),
        Planned("Ray worker killed", "rollout", launched.killed_ray_worker, 2, world="ray"),
        Planned("Ray's driver killed", "rollout", launched.killed_ray_driver, 2, world="ray"),
        Planned("kill -9 at a touch", "train", kinds.kill_at_a_touch, 8, world="training"),
        Planned("kill -9 at a moment", "train", kinds.kill_at_a_moment, 3, world="training"),
        Planned("SIGTERM, SIGINT", "train", kinds.stopped, 2, world="training"),
        Planned("disk full", "train", kinds.disk_full, 3, world="training"),
        Planned("MemoryError", "train", kinds.out_of_memory, 1, world="training"),
        Planned("three at once", "train", kinds.two_at_once, 1, world="training"),
    ]  # fmt: skip


@dataclass
class Outcome:
    """What came of one fault."""

    kind: str
    stage: str
    world: str
    seed: int
    what: str
    lost: int
    doubled: int
    wrong: int
    where: str
    broken_promises: list = field(default_factory=list)
    seconds: float = 0.0
    struck: bool = True
    """False where the command had ended before the fault could come."""

    @property
    def good(self):
        """Nothing lost, doubled or wrong, and every promise kept."""
        return not (self.lost or self.doubled or self.wrong or self.broken_promises)


def preload(training):
    """Import, once for all forks, what commands need, those of a training if asked; nothing runs torch."""
    import pandas  # noqa: F401 - plotly and arrow look for it
    import pyarrow.acero  # noqa: F401
    from transformers import AutoModelForCausalLM, LlamaForCausalLM, PreTrainedTokenizerFast  # noqa: F401

    import acute.__main__
    import acute.cli.main
    import acute.gradients.dots
    import acute.gradients.engines
    import acute.gradients.metric
    import acute.measure.analyse
    import acute.measure.counted
    import acute.report.page
    import acute.report.terminal
    import acute.rollout.hf
    import acute.stages.audit
    import acute.stages.held_out

    if training:
        import acute.train.session
        import acute.train.trl  # noqa: F401


def worlds(base, wanted):
    """The unbroken runs that some of the planned faults need."""
    makers = {
        "plain": lambda where: world.make(where),
        "dots": lambda where: world.make(where, engine="dots"),
        "pool": lambda where: world.make(where, verify="tests.faults.slow:even"),
        "programs": world.make_programs,
        "ray": world.make_on_ray,
        "training": world.make_training,
    }
    return {name: makers[name](base / name) for name in makers if name in wanted}


def campaign(planned, seed, short=False, said=print):
    """Every planned fault; yields its outcome."""
    adopt_orphans()
    many = [(p, p.short if short else p.times) for p in planned]
    wanted = {p.world for p, times in many if times}
    preload("training" in wanted)
    with tempfile.TemporaryDirectory() as folder:
        made = worlds(Path(folder), wanted)
        said(f"{', '.join(made)}: unbroken runs made")
        for p, times in many:
            for i in range(times):
                began = time.monotonic()
                # both go into the draw: the same kind in another stage falls elsewhere
                case = Case(made[p.world], p.stage, f"{p.name} {p.world}", 1000 * seed + i, state=p.state)
                found = p.fault(case)
                outcome = Outcome(
                    p.name, p.stage, p.world, case.seed, case.what, found.lost, found.doubled, found.wrong,
                    found.where, case.faults, round(time.monotonic() - began, 2), case.struck,
                )  # fmt: skip
                if outcome.good:
                    case.kept_apart()
                yield outcome


def table(outcomes):
    """By kind: stages, faults, rows lost and doubled, wrong results, promises broken."""
    by_kind = defaultdict(list)
    for outcome in outcomes:
        by_kind[outcome.kind].append(outcome)
    lines = ["| fault | stages | times | struck | rows lost | doubled | wrong results | promises broken |",
             "|---|---|---|---|---|---|---|---|"]  # fmt: skip
    for kind, some in [*by_kind.items(), ("all", outcomes)]:
        stages = ", ".join(dict.fromkeys(o.stage for o in some)) if kind != "all" else ""
        numbers = [
            len(some),
            sum(o.struck for o in some),
            *(sum(getattr(o, n) for o in some) for n in ("lost", "doubled", "wrong")),
        ]
        numbers.append(sum(len(o.broken_promises) for o in some))
        lines.append(f"| {kind} | {stages} | {' | '.join(map(str, numbers))} |")
    return "\n".join(lines)


def as_json(outcomes, seed):
    """The result for machines."""
    keys = ("lost", "doubled", "wrong")
    return json.dumps(
        {
            "seed": seed,
            "faults": len(outcomes),
            "struck": sum(o.struck for o in outcomes),
            **{key: sum(getattr(o, key) for o in outcomes) for key in keys},
            "promises_broken": sum(len(o.broken_promises) for o in outcomes),
            "outcomes": [asdict(o) for o in outcomes],
        },
        indent=1,
    )
