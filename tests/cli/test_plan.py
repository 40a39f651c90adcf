"""`acute plan`: figures before a run, each with its unit, and clear refusals."""

import json

import pytest
from typer.testing import CliRunner

from acute.cli.main import app
from acute.config import load
from acute.errors import AcuteError, ConfigError, InputError, ModelError
from acute.run import Run
from acute.stages.plan import Given, planned
from tests.tiny import write_run

UNITS = ("_tokens", "_passes", "_flop", "_bytes")


def plan(*arguments):
    """The plan as JSON; raises what the command raises."""
    done = CliRunner().invoke(app, ["plan", *map(str, arguments), "--json"])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def config(tiny_model, tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("plan"), tiny_model)


def test_for_cards_every_figure_has_its_unit(config):
    found = plan(config, "--gpus", "8xH200")
    assert (found["prompts"], found["n"], found["responses"]) == (12, 64, 12 * 64)
    assert found["tokens_a_prompt"] == 4 and found["tokens_a_response"] == 1
    assert {stage["name"] for stage in found["stages"]} == {"rollout", "verify", "score", "analyse", "report"}
    assert all(stage["seconds"] > 0 for stage in found["stages"])
    assert found["seconds"] == pytest.approx(sum(stage["seconds"] for stage in found["stages"]))
    for part in ("tokens", "flop", "memory", "disk"):
        assert all(name.endswith(UNITS) and value >= 0 for name, value in found[part].items())
    assert found["disk"]["sketches_bytes"] == 12 * 2 * 2 * 256 * 4
    assert "upper end" in " ".join(found["assumed"])


def test_on_this_machine_a_trial_tells(config):
    found = plan(config)
    names = [stage["name"] for stage in found["stages"]]
    assert names == ["prompts", "rollout", "verify", "score", "analyse", "report"]
    assert all(stage["cpu_seconds"] >= 0 and stage["seconds"] >= 0 for stage in found["stages"])
    assert found["left_after_sharing"] < 0.6  # answers of one character repeat
    assert "tried on this machine" in found["assumed"][0]


def test_more_prompts_than_a_trial_has_copies_of(config, monkeypatch):
    from acute.stages import trial

    made, copied = [], trial._copied

    def noted(*given):
        found = copied(*given)
        made.append([one.prompts for one in found])
        return found

    monkeypatch.setattr(trial, "MOST_COPIES", 64)
    monkeypatch.setattr(trial, "_copied", noted)
    few, many = plan(config), plan(config, "--prompts", 4000)
    seconds = [{stage["name"]: stage["cpu_seconds"] for stage in found["stages"]} for found in (few, many)]
    assert many["prompts"] == 4000
    assert made == [[12], [32, 32, 64]]
    # analysis and report grow by too little to measure here: tests/stages/test_trial.py holds how
    for name in ("rollout", "score"):
        assert seconds[1][name] > 1.5 * seconds[0][name], name


def test_a_control_is_said_to_be_left_out(config):
    beside = load(config).model_copy(update={"control": "some/where.toml"})
    assert "where.toml" in planned(beside, "H100", Given(), 0.4)["assumed"][0]
    assert not any("control" in said for said in plan(config, "--gpus", "H100")["assumed"])


def test_whole_prompts_and_lengths_may_be_given(config):
    found = plan(
        config, "--gpus", "H100", "--parameters", "8e9", "--prompts", "2000", "--prompt-tokens", "150"
    )
    assert found["model"]["parameters"] == 8_000_000_000
    assert (found["prompts"], found["tokens_a_prompt"]) == (2000, 150)
    with pytest.raises(InputError, match=r"wanted 16$"):
        plan(config, "--gpus", "8xL4", "--parameters", "70e9")


def test_passes_of_what_memory_holds_are_planned_as_the_largest_of_use(config):
    text = config.read_text().replace("[score]", '[score]\ntokens_at_once = "auto"')
    auto = config.with_name("auto.toml")
    auto.write_text(text)
    large = ("--gpus", "H100", "--parameters", "8e9", "--prompt-tokens", "150", "--response-tokens", "4000")
    found = plan(auto, *large)
    assert any("auto: passes of 7095 tokens" in said for said in found["assumed"])
    again = config.with_name("again.toml")
    again.write_text(text.replace("[score]", "[score]\ncheckpointing = true"))
    less = plan(again, *large)
    assert less["memory"]["score_replica_bytes"] < found["memory"]["score_replica_bytes"] - 2e9
    assert found["flop"]["score_flop"] < less["flop"]["score_flop"] < 1.5 * found["flop"]["score_flop"]


def test_a_run_like_it_tells_length_sharing_and_signal(config, tmp_path):
    done = CliRunner().invoke(app, ["run", str(config), "--out", str(tmp_path / "run")])
    assert done.exit_code == 0
    found = plan(config, "--gpus", "H100", "--like", tmp_path / "run", "--prompts", "500")
    assert found["prompts"] == 500 and found["left_after_sharing"] < 0.6 and 0 < found["with_a_signal"] <= 1
    Run.open(tmp_path / "run").write_responses(
        Run.open(tmp_path / "run").responses().drop_columns(["reward"])
    )
    with pytest.raises(InputError, match="wanted a run with verified responses"):
        plan(config, "--gpus", "H100", "--like", tmp_path / "run")


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (["--gpus", "lots"], ConfigError, "wanted NxNAME"),
        (["--gpus", "H100", "--parameters", "7"], ConfigError, "--parameters: wanted 1e8 or more"),
        (["--gpus", "H100", "--parameters", "nan"], ConfigError, "--parameters: wanted a number"),
        (["--gpus", "H100", "--response-tokens", "-3"], ConfigError, "--response-tokens: wanted"),
        (["--gpus", "H100", "--share-of-peak", "40"], ConfigError, "--share-of-peak: wanted a share"),
        (["--like", "nowhere", "--gpus", "H100"], InputError, "wanted a run folder at nowhere"),
    ],
)
def test_refusals_are_one_line(config, arguments, error, words):
    with pytest.raises(error, match=words) as caught:
        plan(config, *arguments)
    assert "\n" not in str(caught.value)


def test_what_is_not_there_is_named(tmp_path, tiny_model):
    with pytest.raises(ConfigError, match="wanted a configuration file at"):
        plan(tmp_path / "no.toml")
    nobody = write_run(tmp_path / "a", "nobody/has-this-model")
    with pytest.raises(ModelError, match=r"found no sizes of the model.*--parameters"):
        plan(nobody, "--gpus", "H100")
    no_prompts = write_run(tmp_path / "b", tiny_model)
    (tmp_path / "b" / "prompts.jsonl").unlink()
    with pytest.raises(AcuteError, match="or give --prompts and --prompt-tokens"):
        plan(no_prompts, "--gpus", "H100")
    training = tmp_path / "train.toml"
    training.write_text("[train]\nsteps = 1\n")
    with pytest.raises(ConfigError, match="found the table train"):
        plan(training)


def test_people_see_time_memory_and_what_is_assumed(config):
    done = CliRunner().invoke(app, ["plan", str(config), "--gpus", "2xA100"])
    assert done.exit_code == 0, done.output
    for words in ("2 × A100", "rollout", "memory of scoring, a rank", "disk: sketches", "assumed:"):
        assert words in done.stdout
