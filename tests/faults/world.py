"""What is broken: tiny runs, each stage's state kept, so that a fault costs its own stage alone."""

import json
import shutil
from pathlib import Path

from tests.faults.inject import Touches, counted_forward
from tests.faults.process import start
from tests.tiny import save_model, write_run

STAGES = ("prompts", "rollout", "verify", "score", "analyse", "report")
BLOCK = 16  # verdicts in a part, so that there are several
PROMPTS, N, SEED = 6, 16, 4  # by this seed three prompts have right and wrong responses
PROGRAMS = [
    "def f(a, b):\n    return a + b",
    "def f(a, b):\n    return a * b",
    "def f(a, b):\n    return b + a",
    "def f(a, b):\n    return",
    "print(1)",
]


def small_parts():
    """In the process of a command: verdicts are saved a few at a time."""
    from importlib import import_module

    import_module("acute.stages.verify").BLOCK = BLOCK


def after(*faults):
    """One function that does several, None left out."""

    def install():
        for fault in faults:
            if fault is not None:
                fault()

    return install


class World:
    """A tiny model and runs of it; `states[stage]` is the folder as it was once that stage had ended."""

    def __init__(self, base: Path) -> None:
        self.base, self.model, self.logs = base, base / "model", base / "logs"
        self.states: dict[str, Path] = {}
        self.touches: dict[str, int] = {}
        self.passes: dict[str, int] = {}  # of the model
        self.seconds: dict[str, float] = {}
        self.config = base / "config.toml"

    def run(self, arguments, fault=None, environment=None, count_to=None):
        """A command to its end, nothing in its way but `fault`."""
        counting = None if count_to is None else Touches(*count_to)
        return start(arguments, self.logs, after(small_parts, counting, fault), environment).wait()

    def copy(self, state, to):
        """The run folder as it was after a stage."""
        shutil.copytree(self.states[state], to)
        return to


def command_of(stage, world, folder):
    """The command that does a stage of a folder that has the one before."""
    if stage == "prompts":
        return ["run", world.config, "--out", folder]
    if stage == "import":
        return ["import", world.base / "log.jsonl", "--format", "jsonl", "--out", folder]
    if stage == "train":
        return ["train", world.base / "train.toml", "--out", folder]
    return [stage, folder]


def before(stage):
    """The state that a stage begins with, None for an empty folder."""
    return None if stage in ("prompts", "import", "train") else STAGES[STAGES.index(stage) - 1]


def done(world, arguments, count_to=None, fault=None):
    """A command that must end well."""
    ended = world.run(arguments, fault, count_to=count_to)
    if ended.code != 0:
        raise AssertionError(f"unbroken {arguments} ended with {ended.code}: {ended.err[-2000:]}")
    return ended


def make(base, engine="sketch", verify="exact"):
    """The unbroken run, stage by stage, and how often each touches its folder."""
    world = World(base)
    write_run(base, world.model, SEED, N, engine, PROMPTS)
    text = world.config.read_text().replace("prompts_at_once = 4", "prompts_at_once = 2")
    world.config.write_text(text.replace('kind = "exact"', f'kind = "{verify}"\nworkers = 2'))
    _in_fork(world, lambda: save_model(world.model))
    whole = base / "whole"
    for stage in STAGES[1:]:
        if stage == "rollout":
            _first_stage(world, whole)
        counted, passes = base / f"{stage}.count", base / f"{stage}.passes"
        of_touches, of_passes = (whole, _nothing, None, counted), counted_forward(passes)
        ended = done(world, command_of(stage, world, whole), of_touches, of_passes)
        world.passes[stage] = int(passes.read_text()) if passes.exists() else 0
        world.touches[stage], world.seconds[stage] = int(counted.read_text()), ended.seconds
        world.states[stage] = shutil.copytree(whole, base / f"after-{stage}")
    world.touches["prompts"] = 16  # of a whole run, those before anything is sampled
    world.seconds["prompts"] = world.seconds["rollout"]
    _log(world)
    return world


def _nothing(_):
    """A touch that nothing follows."""


def _in_fork(world, work):
    """Do something that runs torch, away from this process."""

    def fault():
        work()
        raise SystemExit(0)

    assert world.run(["nothing"], fault).code == 0


def _first_stage(world, whole):
    """The stage `prompts` alone: no command ends after it."""

    def work():
        from acute.config import load
        from acute.run import Run
        from acute.stages import run_until

        run = Run.create(whole, load(world.config))
        with run.lock():
            run_until(run, "prompts")

    _in_fork(world, work)
    world.states["prompts"] = shutil.copytree(whole, world.base / "after-prompts")


def _log(world):
    """The verified responses as another program would have logged them."""
    import pyarrow.parquet as pq

    table = pq.read_table(world.states["verify"] / "responses.parquet", use_threads=False)
    names = ("response_id", "prompt_id", "response", "reward")
    rows = table.select(names).to_pylist()
    (world.base / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    counted, folder = world.base / "import.count", world.base / "imported"
    ended = done(world, command_of("import", world, folder), (folder, _nothing, None, counted))
    world.touches["import"], world.seconds["import"] = int(counted.read_text()), ended.seconds
    done(world, ["analyse", folder])
    world.states["import"] = folder


def make_programs(base):
    """A run folder whose responses are programs, verified in sandboxes; nothing before or after."""
    from tests.stages.test_verify_stage import run_of

    world = World(base)
    base.mkdir(parents=True, exist_ok=True)
    add = {"tests": ["assert f(1, 2) == 3", "assert f(2, 2) == 4"], "names": ["f"]}
    cases = {"cases": [{"stdin": "", "stdout": "1"}]}
    prompts = [
        {"prompt_id": "add", "answer": json.dumps(add)},
        {"prompt_id": "one", "answer": json.dumps(cases)},
    ]
    drawn = [(p["prompt_id"], f"```python\n{code}\n# {i}\n```") for p in prompts for i in range(3)
             for code in PROGRAMS]  # fmt: skip
    _in_fork(world, lambda: run_of(base / "rolled", prompts, drawn, kind="code", workers=2))
    world.states["rollout"] = base / "rolled"
    whole = shutil.copytree(base / "rolled", base / "whole")
    counted = base / "verify.count"
    ended = done(world, ["verify", whole], (whole, _nothing, None, counted))
    world.touches["verify"], world.seconds["verify"] = int(counted.read_text()), ended.seconds
    world.states["verify"] = whole
    return world


def make_on_ray(base):
    """The run of `make`, of which a cluster of two workers on this machine is to sample and verify all."""
    world = make(base)
    record = world.states["prompts"] / "run.json"
    found = json.loads(record.read_text())
    found["config"]["sampling"]["backend"] = "ray"
    record.write_text(json.dumps(found))
    world.seconds["rollout"] = 20.0  # a cluster's start
    return world


def make_training(base):
    """A training to its end, and how often it touches its folder."""
    from tests.train.test_session import write

    world = World(base)
    base.mkdir(parents=True, exist_ok=True)
    _in_fork(world, lambda: save_model(world.model))
    write(base, world.model, steps=8).rename(base / "train.toml")
    whole, counted = base / "whole", base / "train.count"
    ended = done(world, command_of("train", world, whole), (whole, _nothing, None, counted))
    world.touches["train"], world.seconds["train"] = int(counted.read_text()), ended.seconds
    world.states["train"] = whole
    return world
