"""A verifier's rates in a run: given, estimated from labels, refused where they tell nothing."""

import json

import pytest
from typer.testing import CliRunner

from acute.cli.main import app
from acute.errors import InputError
from acute.run import Run
from acute.stages.analyse import read_labels
from tests.tiny import write_run


def acute(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def finished(tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    config = write_run(folder, tiny_model)
    assert acute("run", config, "--out", folder / "out").exit_code == 0
    return config, folder / "out"


def with_settings(finished, settings):
    """The run's analysis after a start with further lines under [analyse]."""
    config, out = finished
    changed = config.with_name("changed.toml")
    changed.write_text(config.read_text() + settings)
    done = acute("run", changed, "--out", out)
    return done, json.loads((out / "analysis.json").read_text())["imperfect_verifier"]


def labelled(finished, flips=0):
    """Labels of every third response: the verdicts, the first `flips` passes of them called wrong."""
    config, out = finished
    rows = Run.open(out).responses().select(["response_id", "reward"]).to_pylist()[::3]
    lines = []
    for row in rows:
        right = row["reward"] > 0
        if right and flips:
            right, flips = False, flips - 1
        lines.append(json.dumps({"response_id": row["response_id"], "right": right}))
    path = config.with_name("labels.jsonl")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_rates_change_the_analysis_alone(finished):
    _, out = finished
    before = json.loads((out / "analysis.json").read_text())
    sampled = (out / "responses.parquet").stat().st_mtime_ns
    done, part = with_settings(finished, "false_pass = 0.01\nfalse_fail = 0.02\n")
    assert done.exit_code == 0
    assert (out / "responses.parquet").stat().st_mtime_ns == sampled
    assert part["source"] == "given"
    assert (part["false_pass"]["value"], part["false_fail"]["value"]) == (0.01, 0.02)
    assert before["imperfect_verifier"]["false_fail"]["value"] == 0
    after = json.loads((out / "analysis.json").read_text())
    assert after["conflict"] == before["conflict"]
    assert part["corrected"]["pass_at_k"] != before["imperfect_verifier"]["corrected"]["pass_at_k"]
    assert before["imperfect_verifier"]["corrected"]["inner"] == before["conflict"]["inner"]


def test_labels_give_the_rates(finished):
    labelled(finished, flips=4)
    done, part = with_settings(finished, 'labels = "labels.jsonl"\n')
    assert done.exit_code == 0
    assert part["source"] == "labels"
    assert 0 < part["false_pass"]["lo"] < part["false_pass"]["value"] < part["false_pass"]["hi"]
    assert part["false_fail"]["value"] == 0


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('{"response_id": "nobody/00000", "right": true}\n', "no response of"),
        ('{"response_id": "p00/00000", "right": true}\n', "ones that are wrong"),
        ('{"response_id": "p00/00000", "right": 1}\n', "line 1"),
        ('{"response_id": "p00/00000", "right": true}\n' * 2, "line 2"),
        ("\n[1, 2]\n", "line 2"),
        ("not json\n", "line 1"),
    ],
)
def test_labels_that_cannot_be_used_are_refused(finished, text, match):
    _, out = finished
    labelled(finished)
    with_settings(finished, 'labels = "labels.jsonl"\n')
    (out.parent / "labels.jsonl").write_text(text)
    done = acute("analyse", out)
    assert isinstance(done.exception, InputError)
    assert match in str(done.exception)


def test_a_missing_file_of_labels_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.jsonl"):
        read_labels(tmp_path / "none.jsonl")
