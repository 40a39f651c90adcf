"""`acute predict`, on a tiny model whose steps are really taken."""

import json

import numpy as np
import pytest
from bench.scorecard_smollm2 import Mix, dot, step_through
from typer.testing import CliRunner

from acute.cli.main import app
from acute.cli.predict import _unknown
from acute.config import load
from acute.core.objectives import parse
from acute.errors import ConfigError, InputError, NotEnoughData
from acute.gradients.parameters import selected
from acute.models.load import load_policy
from acute.run import Run
from acute.stages import run_until
from acute.stages.predict import advantage_of, predict
from tests.tiny import write_run


def sampled(folder, model, seed):
    """A run of 1024 responses a prompt in four folds, scored."""
    config = load(write_run(folder, model, seed=seed, n=1024))
    score = config.score.model_copy(update={"folds": 4, "sketch_size": 4096})
    run = Run.create(folder / "out", config.model_copy(update={"score": score}))
    run_until(run, "score")
    return run


@pytest.fixture(scope="module")
def scored(tiny_model, tmp_path_factory):
    return sampled(tmp_path_factory.mktemp("predict"), tiny_model, 0)


@pytest.fixture(scope="module")
def taken(scored):
    """Steps of two lengths along two objectives, taken in the model itself."""
    policy = load_policy(scored.config.model.name)
    mix = Mix(policy.tokenizer, [scored])
    with selected(policy.model, "all") as parameters:
        before = [x.detach().clone() for x in parameters.values()]
        found = step_through(mix, policy.model, parameters, ("pass@1", "pass@4"), (1e-3, 1e-2))
        assert dot(before, before) == dot(list(parameters.values()), before)  # the model is put back
    return found


def ask(*arguments):
    return CliRunner().invoke(app, ["predict", *map(str, arguments)])


def test_steps_taken_come_out_as_predicted(scored, taken, tiny_model, tmp_path):
    """Six sampled runs: in four or more every interval holds the exact change of the short steps."""
    runs = [scored, *(sampled(tmp_path / str(seed), tiny_model, seed) for seed in range(1, 6))]
    p, whole = np.array(taken["p"]), 0
    short = [step for step in taken["steps"] if step["length"] == 1e-3]
    for run in runs:
        hits = []
        for step in short:
            for c in predict(run, step["objective"], (1, 2, 4), length=1e-3)["changes"]:
                true = np.mean((1 - p) ** c["k"] - (1 - np.array(step["p"])) ** c["k"])
                assert abs(true) > 1e-5 and 0.5 < c["first_order"]["value"] / true < 2
                hits += [e["lo"] <= true <= e["hi"] for e in (c["first_order"], c["curved"])]
        whole += all(hits)
    assert whole >= 4


def test_the_exact_slope_is_the_derivative_of_what_happens(taken):
    p = np.array(taken["p"])
    for short, long in zip(taken["steps"][::2], taken["steps"][1::2], strict=True):
        slope = np.array(taken["slopes"][short["objective"]]).mean() / short["norm"]
        off = [(np.mean(s["p"]) - p.mean()) / s["length"] - slope for s in (short, long)]
        assert abs(off[0]) < 0.02 * abs(slope)
        assert abs(off[0]) < 0.3 * abs(off[1])


def test_json_has_every_number(scored):
    done = ask(scored.path, "--objective", "mixture@0.5,4", "-k", 4, "--eta", 0.01, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["eta"], found["prompts"], found["objective"]) == (0.01, 12, "mixture@0.5,4")
    assert [c["k"] for c in found["changes"]] == [1, 4]  # pass@1 is always told
    for c in found["changes"]:
        assert {"k", "before", "first_order", "curved", "first_order_holds", "population"} == set(c)
        assert c["first_order"]["lo"] < c["first_order"]["value"] < c["first_order"]["hi"]
    twice = json.loads(
        ask(scored.path, "--objective", "mixture@0.5,4", "-k", 4, "--eta", 0.02, "--json").stdout
    )
    assert twice["changes"][0]["first_order"]["hi"] == pytest.approx(
        2 * found["changes"][0]["first_order"]["hi"]
    )


def test_without_options_it_takes_a_short_step_along_the_largest_k(scored):
    found = json.loads(ask(scored.path, "--json").stdout)
    assert found["objective"] == "pass@4" and [c["k"] for c in found["changes"]] == [1, 2, 4]
    assert found["log_odds_moved"] == pytest.approx(0.1)


def test_the_table_says_when_the_step_is_too_long(scored):
    done = ask(scored.path, "--step-length", 3)
    assert done.exit_code == 0 and "take a shorter step" in done.stdout
    assert "take a shorter step" not in ask(scored.path, "--step-length", 1e-4).stdout


def test_what_is_unknown_says_why():
    unknown = {"population.1": "too few", "population.8": "too few", "first_order.8": "no"}
    assert _unknown(unknown) == [
        "?: prompts like these, pass@1, pass@8: too few",
        "?: to first order, pass@8: no",
    ]


def test_objectives_and_estimators_of_the_same_weight_agree(scored):
    """RLOO's expected update is ∇J_1; mean-centred advantages give (n - 1)/n of it."""
    plain = predict(scored, "pass@1", (1,), eta=1.0)["changes"][0]["first_order"]["value"]
    rloo = predict(scored, "rloo", (1,), eta=1.0, group=4)["changes"][0]["first_order"]["value"]
    assert rloo == pytest.approx(plain, rel=1e-5)
    centred = predict(scored, "mean-centred", (1,), eta=1.0, group=4)["changes"][0]["first_order"]
    assert centred["value"] == pytest.approx(0.75 * plain, rel=1e-5)


def test_names_are_resolved():
    success, failure = advantage_of("pass@4", 16)[0](8, 2)
    assert [float(success), float(failure)] == [float(x) for x in parse("pass@4").advantages(8, 2)]
    assert advantage_of("pass@4", 16)[1] == 4
    assert advantage_of("pkpo-loo@4", 8)[1] == 8


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("best", "or an estimator"),
        ("log", "no unbiased estimate"),
        ("pkpo-loo@x", "whole k"),
        ("pkpo-loo@16", "needs k of"),
        ("nowhere:f", "no module"),
    ],
)
def test_names_that_cannot_be_had_are_refused(name, message):
    with pytest.raises(ConfigError, match=message):
        advantage_of(name, 16)


def test_what_the_folder_cannot_answer(scored, tmp_path):
    with pytest.raises(NotEnoughData, match="no prompt is left to analyse at k = 600"):
        predict(scored, "pass@600", (1,), eta=1)  # a fold has 256
    with pytest.raises(ConfigError, match="each k"):
        predict(scored, "pass@2", (), eta=1)
    with pytest.raises(InputError, match="run acute score first"):
        predict(Run.create(tmp_path / "new", scored.config), "pass@2", (1,), eta=1)
