"""`acute toy`: the printed table, the population run, the figures."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from acute import toy_runs
from acute.cli.main import app
from acute.errors import OutsideError

PRINTED = {  # section 3.3 of the paper: value, half a unit of its last digit
    "cos_features": (0.98, 0.005),
    "p_easy": (0.86, 0.005),
    "p_hard": (0.10, 0.005),
    "kernel": (-0.01, 0.005),
    "cos_gradients": (-0.98, 0.005),
    "weight_easy": (2.33e-7, 0.005e-7),
    "weight_hard": (3.88, 0.005),
    "cosine": (-0.77, 0.005),
    "J1_before": (0.48, 0.005),
    "J1_after": (0.46, 0.005),
    "Jk_before": (0.83, 0.005),
    "Jk_after": (0.95, 0.005),
}


def run(*arguments):
    return CliRunner().invoke(app, ["toy", *arguments])


def test_two_prompt_json_matches_every_printed_number():
    found = json.loads(run("two-prompt", "--json").stdout)
    for name, (printed, half) in PRINTED.items():
        assert found[name] == pytest.approx(printed, abs=half), name
    assert found["k_dagger"] == 2 and found["k_star_paper"] == pytest.approx(3.84, abs=0.005)
    assert found["inner"] == pytest.approx(
        (found["weight_easy"] * found["agreement_easy"] + found["weight_hard"] * found["agreement_hard"]) / 2
    )
    assert found["inner"] <= -found["delta_theta"] < 0


def test_two_prompt_table():
    done = run("two-prompt", "-k", "10")
    assert done.exit_code == 0 and "weight_hard" in done.stdout and "3.884" in done.stdout


def test_without_conflict_there_is_nothing_to_certify():
    found = toy_runs._summary(*_aligned())
    assert found["k_dagger"] is None and found["pass@1_hard"] is None


def _aligned():
    world = toy_runs.Bandit(np.array([[1.0, 0.1], [1.0, -0.1]]), np.array([False, False]))
    return toy_runs.state(world, toy_runs.THETA_REF, 3), world, 3


def test_population(tmp_path):
    done = run("population", "--out", str(tmp_path / "out"), "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert json.loads((tmp_path / "out" / "population.json").read_text()) == found
    assert found["before"]["J1"] == pytest.approx(0.53, abs=0.01)
    assert found["after"]["J1"] == pytest.approx(0.51, abs=0.01)
    assert found["before"]["J5"] == pytest.approx(0.76, abs=0.01)
    assert found["after"]["J5"] == pytest.approx(0.97, abs=0.01)
    assert all(i < 0 or abs(i) < 1e-12 for i in found["inner"]) and len(found["inner"]) == 401
    assert found["inner_largest"] == max(found["inner"])
    assert found["after"]["agreement_smallest"] < found["before"]["agreement_smallest"] < 0
    assert found["before"]["k_dagger"] == found["before"]["sign_changes"][0] <= 5
    curves = found["curves"]
    assert curves["easy"]["pass@1"][-1] < curves["easy"]["pass@1"][0]
    assert curves["hard"]["pass@5"][-1] > curves["hard"]["pass@5"][0]
    for name in ("kernel", "region", "agreement", "curves"):
        assert "plotly" in (tmp_path / "out" / f"{name}.html").read_text()[:5000].lower()


def test_population_in_words(tmp_path):
    done = run("population", "--out", str(tmp_path), "--prompts", "50", "--steps", "2", "-k", "3")
    assert done.exit_code == 0 and "J3:" in done.stdout and "->" in done.stdout
    assert "wrote four figures" in done.stderr


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    done = run("population", "--out", str(tmp_path / "file"), "--prompts", "5", "--steps", "1")
    assert isinstance(done.exception, OutsideError)


@pytest.fixture(scope="module")
def small():
    return toy_runs.run_population(5, 400, 0.4, 0.2, 0.5, 5, seed=1)


def test_heat_map_has_negative_blocks_between_the_kinds(small):
    cosine = np.array(toy_runs.figures(small)["kernel"].data[0].z)
    assert cosine.shape == (200, 200)
    between, within = cosine[:120, 120:], cosine[:120, :120]
    assert (between < 0).mean() > 0.5 > (within < 0).mean()


def test_kernel_numbers(small):
    found = small.numbers["kernel"]
    assert found["prompts"] == 200
    assert found["negative_between_kinds"] > 0.5 > found["negative_within_kinds"]


def test_region_marks_conflict(small):
    region = small.numbers["region"]
    at = toy_runs.state(small.world, np.array([region["theta_0"][2], region["theta_1"][6]]), 5)
    found = [region[name][6][2] for name in ("J1", "Jk", "inner")]
    assert found == pytest.approx([at.J1, at.Jk, at.inner])
    assert 0 < region["share_in_conflict"] < 1
    grey = np.array(toy_runs.figures(small)["region"].data[0].z, float)
    assert np.isfinite(grey).mean() == pytest.approx(region["share_in_conflict"])


def test_histograms_hold_both_signs(small):
    found = small.numbers["agreement"]
    assert sum(found["before"]) == sum(found["after"]) == 400
    assert found["edges"][0] < 0 < found["edges"][-1]
    before, after = (np.array(found[x]) for x in ("before", "after"))
    bars = toy_runs.figures(small)["agreement"].data
    assert np.array(bars[0].y).tolist() == before.tolist() and np.array(bars[1].y).tolist() == after.tolist()
    negative = np.array(found["edges"][1:]) <= 0
    assert before[negative].sum() > 0 and before[~negative].sum() > 0


def test_curves_of_all_and_of_each_kind(small):
    names = [trace.name for trace in toy_runs.figures(small)["curves"].data]
    assert names == [f"{kind}, {p}" for kind in ("population", "easy", "hard") for p in ("pass@1", "pass@5")]
