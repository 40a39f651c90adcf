"""The interference map of the page."""

from itertools import pairwise

import numpy as np
import pytest

from acute.report.kernel_figure import between_families, hurt_families, interference, worst_pairs

ROWS = [
    {"prompt_id": name, "family": family, "p": {"value": p}}
    for name, family, p in (("a", "easy", 0.9), ("b", "hard", 0.2), ("c", "hard", 0.1), ("d", "hard", 0.3))
]
KERNEL = np.array([[4.0, -2.0, 0.1, np.nan], [-2.0, 4.0, 1.0, np.nan], [0.1, 1.0, 1.0, np.nan], [np.nan] * 4])


@pytest.fixture
def folder(tmp_path):
    se = np.full_like(KERNEL, 0.3)
    np.savez(tmp_path / "kernel.npz", prompt_id=np.array(["a", "b", "c", "d"]), kernel=KERNEL, kernel_se=se)
    return tmp_path


def test_families_side_by_side_from_hard_to_easy(folder):
    figure = interference(folder, ROWS, {"a": "<b>A</b>"})
    trace = figure["data"][0]
    assert trace["meta"]["names"] == ["&lt;b&gt;A&lt;/b&gt;", "c", "b"]
    assert trace["z"][0] == [1.0, 0.05, -0.5]  # a with itself, with c, with b
    assert figure["layout"]["xaxis"]["ticktext"] == ["easy", "hard"]


def test_prompts_that_point_alike_stand_together(tmp_path):
    """Two directions, their prompts mixed in the table: each direction is one stretch of the map."""
    rng = np.random.default_rng(0)
    turn = np.array([0, 1, 0, 1, 1, 0])
    gradients = np.eye(2)[turn] + 0.05 * rng.normal(size=(6, 2))
    names = np.array([f"p{i}" for i in range(6)])
    np.savez(tmp_path / "kernel.npz", prompt_id=names, kernel=gradients @ gradients.T)
    rows = [{"prompt_id": name, "family": "f", "p": {"value": 0.1 * i}} for i, name in enumerate(names)]
    trace = interference(tmp_path, rows, {})["data"][0]
    shown = [turn[int(name[1:])] for name in trace["meta"]["names"]]
    assert sum(a != b for a, b in pairwise(shown)) == 1


def test_only_pairs_beyond_their_error_are_named(folder):
    assert worst_pairs(folder) == [("a", "b", -2.0, 0.3)]


def test_without_a_kernel_there_is_no_map(tmp_path):
    assert interference(tmp_path, ROWS, {}) is None
    assert worst_pairs(tmp_path) == []


def cell(value, half):
    return {"value": value, "se": half / 2, "lo": value - half, "hi": value + half}


FAMILIES = {
    "families": ["<b>x</b>", "y", "z"],
    "inner": [
        [cell(4.0, 1.0), cell(-2.0, 0.5), None],
        [cell(-2.0, 0.5), cell(1.0, 0.5), None],
        [None, None, None],
    ],
}


def test_families_as_cosines_starred_where_sure():
    trace = between_families({"families_by_families": FAMILIES})["data"][0]
    assert trace["z"] == [[1.0, -1.0, None], [-1.0, 1.0, None], [None] * 3]
    assert trace["text"][0] == ["+1.00*", "−1.00*", ""]
    assert trace["y"][0] == "&lt;b&gt;x&lt;/b&gt;"


def test_families_that_surely_hurt_each_other_are_named_once():
    assert hurt_families({"families_by_families": FAMILIES}) == [("y", "<b>x</b>")]
    unsure = {"families": ["x", "y"], "inner": [[cell(1, 2), cell(-1, 2)], [cell(-1, 2), cell(1, 2)]]}
    assert hurt_families({"families_by_families": unsure}) == []
    assert between_families({"families_by_families": unsure})["data"][0]["text"][0][1] == "−1.00"


@pytest.mark.parametrize("analysis", [{}, {"families_by_families": None}])
def test_without_families_there_is_no_map_of_them(analysis):
    assert between_families(analysis) is None
    assert hurt_families(analysis) == []


def test_families_without_a_norm_have_no_cosine():
    low = {"families": ["x", "y"], "inner": [[cell(-1, 2), cell(1, 2)], [cell(1, 2), cell(1, 2)]]}
    assert between_families({"families_by_families": low})["data"][0]["z"] == [[None, None], [None, 1.0]]
