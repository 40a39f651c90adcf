"""`acute compare`: runs side by side."""

import json

import pytest
from typer.testing import CliRunner

from acute.cli.main import app
from acute.errors import InputError
from acute.report.compare import compared, figures, read_runs
from tests.report.report_worlds import analysis_of, world


@pytest.fixture
def folders(tmp_path):
    for name, conflict in (("a/run", True), ("b/run", False)):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "analysis.json").write_text(json.dumps(analysis_of(world(conflict=conflict))))
    return [tmp_path / "a/run", tmp_path / "b/run"]


def test_names_are_as_short_as_they_can_be_and_numbers_are_the_runs_own(folders):
    runs = read_runs(folders)
    assert list(runs) == ["a/run", "b/run"]
    found = compared(runs)
    for row, (name, analysis) in zip(found["runs"], runs.items(), strict=True):
        assert row["run"] == name and row["k_dagger"] == analysis["k_dagger"]
        for i, k in enumerate(found["k"]):
            assert row["cosine"][i] == analysis["conflict"]["cosine"][analysis["conflict"]["k"].index(k)]
            assert row["pass_at_k"][i] == analysis["pass_at_k"][str(k)]
    assert [row["verdict"] for row in found["runs"]] == ["conflict", "no conflict"]


def test_only_common_k_are_compared(folders):
    path = folders[1] / "analysis.json"
    analysis = analysis_of(world(conflict=False), [1, 4, 6])
    path.write_text(json.dumps(analysis))
    assert compared(read_runs(folders))["k"] == [1, 4]
    path.write_text(json.dumps(analysis_of(world(), [3])))
    with pytest.raises(InputError, match=r"some k of analyse\.k in common"):
        compared(read_runs(folders))


def test_curves_have_the_ends_of_the_intervals(folders):
    runs = read_runs(folders)
    (_, cosine), _, (_, passed) = figures(runs)
    estimate = runs["a/run"]["conflict"]["cosine"][-1]
    assert cosine[0]["y"][-1] == estimate["value"]
    assert cosine[0]["error_y"]["arrayminus"][-1] == pytest.approx(estimate["value"] - estimate["lo"])
    assert cosine[0]["error_y"]["array"][-1] == pytest.approx(estimate["hi"] - estimate["value"])
    assert [curve["name"] for curve in passed] == ["a/run", "b/run"]


def test_the_command(folders, tmp_path):
    page = tmp_path / "side.html"
    arguments = ["compare", *map(str, folders)]
    done = CliRunner().invoke(app, [*arguments, "--json", "--page", str(page)])
    assert done.exit_code == 0
    assert json.loads(done.stdout) == compared(read_runs(folders))
    text = page.read_text()
    assert "Runs side by side" in text and "distribution of prompts" in text
    shown = CliRunner().invoke(app, arguments).stdout
    assert "no conflict" in shown and "a/run" in shown and "cosine at k = 32" in shown


def test_what_cannot_be_compared(folders):
    with pytest.raises(InputError, match="two run folders or more"):
        CliRunner().invoke(app, ["compare", str(folders[0])], catch_exceptions=False)
    with pytest.raises(InputError, match="twice"):
        read_runs([folders[0], folders[0]])
    with pytest.raises(InputError, match=r"acute analyse .* first"):
        read_runs([folders[0], folders[0].parent])
