"""The trial that a plan for this machine rests on: its prompts, copies of them, and the way to the whole."""

import random

import numpy as np
import pyarrow.compute as pc
import pytest

from acute.config import load
from acute.plan import work
from acute.plan.pace import Took
from acute.plan.shape import every, of_count
from acute.plan.times import ANALYSE_RATE
from acute.plan.tokens import Load
from acute.plan.whole import Asked
from acute.plan.work import Scored, rollout
from acute.run import Run
from acute.stages import run_until, trial
from acute.stages.copies import copies, some_of
from acute.stages.foretold import learnt, stages
from acute.stages.trial import Copied, Sampled, Trial
from tests.tiny import write_run

SHAPE = of_count(200_000_000)
ASKED = Asked(
    SHAPE, Load(100, 64, 50, 10, 0.4, 0.5), Scored(2, 65536, 1024, every(SHAPE)), 4, 8, kernel=False
)


@pytest.fixture(scope="module")
def scored(tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scored")
    run = Run.create(folder / "run", load(write_run(folder, tiny_model)))
    run_until(run, "score")
    return run


def test_one_prompt_of_each_stretch():
    for seed in range(20):
        drawn = trial._spread(103, 8, random.Random(seed))
        assert [at * 8 // 103 for at in drawn] == pytest.approx(range(8), abs=1) and drawn == sorted(
            set(drawn)
        )
    assert trial._spread(3, 8, random.Random(0)) == [0, 1, 2]
    assert trial._spread(103, 8, random.Random(0)) != trial._spread(103, 8, random.Random(1))


@pytest.mark.parametrize(
    ("room", "n", "tokens", "how"),
    [(1e18, 64, 1, ()), (2e8, 16, 1, ("fewer",)), (1.0, 16, 1, ("fewer",))],
)
def test_fewer_responses_before_shorter_ones(scored, monkeypatch, room, n, tokens, how):
    monkeypatch.setattr(trial, "A_PROMPT", room)
    asked = Asked(of_count(1e8), Load(12, 64, 4, 1), Scored(2, 256, 1024, every(SHAPE)), 4, 4)
    config, found = trial._fitting(scored.config, asked)
    assert (config.sampling.n, config.sampling.max_tokens, found) == (n, tokens, how)
    assert max(config.analyse.k) == 4


def test_shorter_responses_where_fewer_will_not_do(scored, monkeypatch):
    monkeypatch.setattr(trial, "A_PROMPT", 1.0)
    sampling = scored.config.sampling.model_copy(update={"max_tokens": 1000, "n": 40})
    config, found = trial._fitting(scored.config.model_copy(update={"sampling": sampling}), ASKED)
    assert (config.sampling.n, config.sampling.max_tokens, found) == (16, 8, ("fewer", "shorter"))


@pytest.mark.parametrize("folds", [2, 3, 4, 5, 8])
def test_called_right_is_every_other_response_of_a_fold(folds):
    found = trial._every_other(4 * folds, folds)
    assert {found[0], found[1]} == {0.0, 1.0}  # so that two responses suffice
    assert all(set(found[fold::folds]) == {0.0, 1.0} for fold in range(folds))
    assert sum(found) == 2 * folds


def test_copies_are_a_run_of_as_many_prompts(scored, tmp_path):
    rows = scored.prompts()
    mixed = [
        name for name, c in zip(rows["prompt_id"].to_pylist(), _right(scored), strict=True) if 0 < c < 64
    ]
    part = some_of(scored, mixed[:3])
    run_until(part, "score")
    run = copies(scored, part, rows, 30, 64, tmp_path / "copies")
    run_until(run, "analyse")
    found = run.analysis()
    assert found["counts"]["no_success"] > 0  # as in the run: such prompts have no gradient
    sketches = np.load(run.path / "sketch.npy")
    silent = ~np.abs(sketches).max((1, 2, 3)).astype(bool)
    assert silent.sum() == found["counts"]["no_success"] + found["counts"]["all_success"]
    assert found["prompts"] == 30 and found["responses"] == 30 * 64
    assert run.prompts()["family"].to_pylist() == [rows["family"][i % 12].as_py() for i in range(30)]
    right = _right(run)
    assert right == [right[i % 12] for i in range(30)] and len(set(right)) > 3


def test_copies_of_a_single_prompt_can_be_analysed(scored, tmp_path):
    best = int(np.argmax(_right(scored)))
    part = some_of(scored, [scored.prompts()["prompt_id"][best].as_py()])
    run_until(part, "score")
    run = copies(part, part, scored.prompts(), 24, 256, tmp_path / "copies")
    run_until(run, "analyse")
    assert run.analysis()["prompts"] == 24


def _right(run):
    """Right responses of each prompt."""
    table = run.responses()
    own = (table.filter(pc.equal(table["prompt_id"], name)) for name in run.prompts()["prompt_id"])
    return [pc.sum(group["reward"]).as_py() for group in own]


def _straight(once, pace):
    """A trial of stages that take `once` + `pace` · work, the second time `pace` · work alone."""
    one, some = Load(1, 64, 50, 10, 0.6, 1.0), Load(8, 64, 50, 10, 0.4, 0.5)

    def took(works, cold):
        return {name: Took(cold + pace * w, 2 * (cold + pace * w)) for name, w in works.items()}

    first = {"rollout": rollout(SHAPE, one), "verify": 64, "score": 700.0}
    more = {"rollout": rollout(SHAPE, some), "verify": 8 * 64, "score": 900.0}
    of_copies = [
        Copied(n, 1024, took({"analyse": n, "report": n}, cold))
        for n, cold in ((8, once), (8, 1.0), (32, 1.0))
    ]
    return Trial(
        Took(4.0, 5.0), Took(0.5, 1.0),
        Sampled(one, took(first, once), 700.0, 700.0), Sampled(some, took(more, 0.0), 1600.0, 900.0),
        of_copies, 8, (), True,
    )  # fmt: skip


def test_what_happens_once_is_counted_once_and_the_rest_grows():
    tried = _straight(once=3.0, pace=1e-3)
    asked = Asked(**{**vars(ASKED), "load": learnt(ASKED.load, tried, None)})
    found = {stage.name: stage for stage in stages(asked, tried)}
    assert found["prompts"].seconds == 4.0
    assert found["rollout"].seconds == pytest.approx(3 + 1e-3 * 12.5 * rollout(SHAPE, tried.more.load))
    assert found["verify"].seconds == pytest.approx(3 + 0.5 + 1e-3 * 6400)
    assert found["score"].seconds == pytest.approx(
        3 + 1e-3 * 1600 * 12.5
    )  # of all sampled, not of the scored
    assert found["report"].seconds == pytest.approx(3 + 1e-3 * 100)
    more = (work.analyse(100, asked.scored, 8, kernel=False) - _line_of_copies(asked, 100)) / ANALYSE_RATE
    assert found["analyse"].seconds == pytest.approx(3 + 1e-3 * 100 + more) and more > 0.1
    assert found["score"].cpu_seconds == pytest.approx(2 * found["score"].seconds)


def _line_of_copies(asked, prompts):
    """Operations of the copies' analysis, on a line through both."""
    thin = asked.scored._replace(sketch_size=1024)
    few, many = (work.analyse(n, thin, 8, kernel=True) for n in (8, 32))
    return few + (many - few) / 24 * (prompts - 8)


def test_the_trial_tells_length_sharing_and_signal():
    found = learnt(ASKED.load, _straight(1.0, 1.0), None)
    assert (found.prompts, found.response_tokens, found.distinct, found.signal) == (100, 10, 0.4, 0.5)
    assert learnt(ASKED.load, _straight(1.0, 1.0), 33.0).response_tokens == 33.0


def test_a_start_of_a_verifier_that_was_not_asked_is_not_taken_off(scored):
    begun = trial.Begun(scored.path, scored.config, None, None, None, {"math": Took(9.0, 9.0)})
    assert trial._without_start(begun, scored) == trial._took(scored)["verify"]
