"""A run folder by itself: made, gone on with, locked, and what it refuses. Whole runs: test_run.py."""

import json
import subprocess
import sys
import time

import pytest

import acute.run
from acute.config import parse
from acute.errors import ConfigError, InputError, OutsideError
from acute.run import STAGES, Run


def config(**changes):
    data = {"model": {"name": "m"}, "prompts": {"source": "arithmetic"}}
    for dotted, value in changes.items():
        *section, key = dotted.split("__")
        (data.setdefault(section[0], {}) if section else data)[key] = value
    return parse(data)


@pytest.fixture
def run(tmp_path):
    return Run.create(tmp_path / "run", config())


def finish(run, *stages):
    for name in stages:
        with run.stage(name):
            pass


def test_a_new_folder_says_how_it_was_made(run):
    record = json.loads((run.path / "run.json").read_text())
    assert parse(record["config"]) == config()
    assert record["seed"] == 0
    assert {"python", "numpy", "torch", "transformers"} <= set(record["versions"])
    assert record["stages"] == {}


def test_opened_again_it_is_the_same(run):
    with run.stage("prompts") as facts:
        facts["prompts"] = 3
    run.remember("left_out", {"p1": "no response"})
    again = Run.open(run.path)
    assert again.record == run.record
    assert again.config == run.config
    assert again.record["stages"]["prompts"]["prompts"] == 3
    assert again.record["left_out"] == {"p1": "no response"}


def test_a_stage_counts_its_own_processor_time_and_its_childrens(run):
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    with run.stage("prompts"):
        time.sleep(0.3)  # takes none
        subprocess.run([sys.executable, "-c", burn], check=True)
    took = run.record["stages"]["prompts"]
    # the kernel counts a process's time in ticks of 10 ms, and each of the four figures may lack one
    assert 0.25 <= took["cpu_seconds"] <= took["seconds"] - 0.15


def test_a_stage_is_done_only_once_its_block_has_ended(run):
    with pytest.raises(RuntimeError), run.stage("rollout"):
        raise RuntimeError
    assert not run.done("rollout")
    finish(run, "rollout")
    assert run.done("rollout")
    assert Run.open(run.path).done("rollout")


def test_a_stage_done_again_undoes_the_later_ones(run):
    finish(run, *STAGES)
    finish(run, "verify")
    assert [s for s in STAGES if run.done(s)] == ["prompts", "rollout", "verify"]


def test_the_parts_of_a_stage_stand_in_order_until_it_is_done(run):
    for index in (10, 2, 0):
        run.parts("score").write(index, b"%d" % index)
    run.parts("rollout").write(0, b"")
    assert run.parts("score").indices() == [0, 2, 10]
    assert list(run.parts("score").contents()) == [b"0", b"2", b"10"]
    finish(run, "score")
    assert len(run.parts("score")) == 0
    assert len(run.parts("rollout")) == 1


@pytest.mark.parametrize(
    ("stage", "change"),
    [
        ("prompts", {"seed": 1}),
        ("prompts", {"prompts__limit": 3}),
        ("prompts", {"model__name": "n"}),
        ("rollout", {"sampling__n": 512}),
        ("rollout", {"model__dtype": "bfloat16"}),
        ("rollout", {"score__folds": 4}),
    ],
)
def test_settings_may_change_until_something_was_made_with_them(run, stage, change):
    before = STAGES[: STAGES.index(stage)]
    finish(run, *before)
    changed = Run.create(run.path, config(**change))
    assert changed.config == config(**change) != config()
    assert changed.record["seed"] == changed.config.seed
    Run.create(run.path, config())
    finish(Run.open(run.path), *before, stage)
    with pytest.raises(ConfigError, match=r"was made with .* choose another --out"):
        Run.create(run.path, config(**change))
    assert Run.open(run.path).config == config()


@pytest.mark.parametrize(
    ("stage", "change"),
    [("verify", {"verify__kind": "exact"}), ("score", {"score__parameters": "lm_head"})],
)
def test_other_settings_of_verify_and_score_do_these_again(run, stage, change):
    finish(run, *STAGES)
    run.parts("score").write(0, b"")
    again = Run.create(run.path, config(**change))
    assert [s for s in STAGES if again.done(s)] == list(STAGES[: STAGES.index(stage)])
    assert not again.parts("score")


@pytest.mark.parametrize(
    "change",
    [
        {"score__tokens_at_once": 64},
        {"score__tokens_at_once": "auto"},
        {"score__checkpointing": True},
        {"model__device": "cpu"},
    ],
)
def test_memory_and_device_are_no_part_of_what_a_run_is(run, change):
    finish(run, *STAGES)
    again = Run.create(run.path, config(**change))
    assert again.config == config(**change)
    assert [s for s in STAGES if again.done(s)] == ["prompts", "rollout", "verify", "score"]


def test_rollout_parts_cut_otherwise_are_drawn_again(run):
    finish(run, "prompts")
    run.parts("rollout").write(0, b"")
    assert not Run.create(run.path, config(sampling__prompts_at_once=2)).parts("rollout")


def test_a_folder_held_by_another_process_is_left_as_it_is(run):
    before = (run.path / "run.json").read_text()
    with run.lock(), pytest.raises(InputError, match="another process works on"):
        Run.create(run.path, config(analyse__k=[1, 2]))
    assert (run.path / "run.json").read_text() == before


def test_a_begun_stage_refuses_other_settings_too(run):
    run.parts("rollout").write(0, b"")
    with pytest.raises(ConfigError, match=r"was made with sampling.n = 256, found 512"):
        Run.create(run.path, config(sampling__n=512))


def test_another_k_undoes_the_analysis_alone(run):
    finish(run, *STAGES)
    again = Run.create(run.path, config(analyse__k=[1, 2]))
    assert [s for s in STAGES if again.done(s)] == ["prompts", "rollout", "verify", "score"]
    assert Run.create(run.path, config(analyse__k=[1, 2])).record == again.record


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "wanted JSON, found a fault"),
        ("[]", "wanted the record of a run, .* found list"),
        ("{}", "wanted the record of a run, with config, stages, checks, left_out; found nothing"),
        ('{"config": {}, "stages": []}', "found config, stages"),
        ('{"config": {}, "stages": {}, "checks": {}, "left_out": {}}', "model: wanted a value, found none"),
        ('{"config": {"modle": 1}, "stages": {}, "checks": {}, "left_out": {}}', "modle: unknown key"),
    ],
)
def test_a_broken_record_is_named(run, content, message):
    (run.path / "run.json").write_text(content)
    with pytest.raises(InputError, match=message) as error:
        Run.open(run.path)
    assert str(run.path / "run.json") in str(error.value)


def test_what_is_no_run_folder_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match="is no run folder and not empty"):
        Run.create(tmp_path, config())
    with pytest.raises(InputError, match="is a file: wanted a folder"):
        Run.create(tmp_path / "thesis.tex", config())
    with pytest.raises(OutsideError, match="could not make the run folder"):
        Run.create(tmp_path / "thesis.tex" / "run", config())
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_folder_killed_at_its_first_write_can_be_begun_again(tmp_path):
    (tmp_path / ".run.json.123.part").write_text("{")
    with Run.create(tmp_path, config()).lock():
        pass
    assert sorted(p.name for p in tmp_path.iterdir()) == [".lock", "run.json"]


def test_one_at_a_time(run):
    other = Run.open(run.path)
    with run.lock(), pytest.raises(InputError, match="another process works on"), other.lock():
        pass
    with other.lock():
        pass


def test_what_was_done_before_the_lock_was_had_is_seen(run):
    early = Run.open(run.path)
    finish(run, "prompts")
    with early.lock():
        assert early.done("prompts")


def test_half_written_files_of_a_killed_process_are_removed(run):
    run.parts("score").write(1, b"")
    whole = run.parts("score").path(1)
    left = [run.path / ".responses.parquet.9.part", whole.with_name(".score-000000.sealed.9.part")]
    for path in left:
        path.write_bytes(b"half")
    with run.lock():
        assert not any(path.exists() for path in left)
        assert whole.exists()


def test_an_analysis_has_no_nan_and_is_asked_for_by_name(run):
    with pytest.raises(InputError, match=r"has no analysis\.json: run acute analyse"):
        run.analysis()
    with pytest.raises(ValueError, match="not JSON compliant"):
        run.write_analysis({"k_dagger": float("nan")})
    run.write_analysis({"k_dagger": None})
    assert run.analysis() == {"k_dagger": None}
    (run.path / "analysis.json").write_text("{")
    with pytest.raises(InputError, match=r"is not what acute wrote .* start acute analyse again"):
        run.analysis()
    del run.record["files"]["analysis.json"]
    run.remember("checks", {})
    with pytest.raises(InputError, match="wanted JSON, found a fault"):
        run.analysis()


def test_a_file_killed_while_it_was_replaced_is_known_before_and_after(run, monkeypatch):
    run.write_analysis({"k_dagger": 1})
    finish(run, "analyse")
    (old,) = run.record["files"]["analysis.json"]

    def killed(path, content):
        if path.name == "analysis.json":
            raise KeyboardInterrupt
        real(path, content)

    real = acute.run.write_atomically
    monkeypatch.setattr(acute.run, "write_atomically", killed)
    with pytest.raises(KeyboardInterrupt):
        run.write_analysis({"k_dagger": 2})
    again = Run.open(run.path)
    assert again.analysis() == {"k_dagger": 1}
    monkeypatch.undo()
    again.write_analysis({"k_dagger": 2})
    assert again.analysis() == {"k_dagger": 2}
    finish(again, "analyse")
    assert old not in again.record["files"]["analysis.json"]
