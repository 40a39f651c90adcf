"""The interference map of the page."""

import numpy as np
import pytest

from acute.report.kernel_figure import interference, worst_pairs

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
    assert [row[0][1] for row in trace["customdata"]] == ["&lt;b&gt;A&lt;/b&gt;", "c", "b"]
    assert trace["z"][0] == [1.0, 0.05, -0.5]  # a with itself, with c, with b
    assert figure["layout"]["xaxis"]["ticktext"] == ["easy", "hard"]


def test_only_pairs_beyond_their_error_are_named(folder):
    assert worst_pairs(folder) == [("a", "b", -2.0, 0.3)]


def test_without_a_kernel_there_is_no_map(tmp_path):
    assert interference(tmp_path, ROWS, {}) is None
    assert worst_pairs(tmp_path) == []
