"""Families against families, beside the exact kernel of finite worlds."""

import numpy as np
import pytest

from acute.measure.conflict import Measured
from acute.measure.interference import MOST_FAMILIES, between_families
from tests.worlds import world

FAMILIES = ["a"] * 4 + ["b"] * 3 + ["c"] * 2 + [None]


def exact(w):
    groups = [[i for i, f in enumerate(FAMILIES) if f == name] for name in "abc"]
    mean = np.stack([w.grad_p_ND[group].mean(0) for group in groups])
    return mean @ mean.T


@pytest.fixture(scope="module")
def found():
    w = world(N=10, sharing=0.8, hard=0.1, seed=3)
    rng = np.random.default_rng(0)
    runs = [between_families(Measured(*w.roll(128, 4, rng), np.inf), FAMILIES) for _ in range(300)]
    return exact(w), runs


def values(runs, member):
    return np.array([[[cell[member] for cell in row] for row in run["inner"]] for run in runs])


def test_unbiased_symmetric_and_covered(found):
    truth, runs = found
    value = values(runs, "value")
    error = (value.mean(0) - truth) / (value.std(0) / len(runs) ** 0.5)
    assert np.abs(error).max() < 4
    np.testing.assert_array_equal(value, value.transpose(0, 2, 1))
    hits = ((values(runs, "lo") <= truth) & (truth <= values(runs, "hi"))).mean(0)
    assert hits.min() > 0.88
    assert runs[0]["families"] == ["a", "b", "c"]


def test_a_family_that_shows_no_gradient_is_unknown():
    n, c, sums = world(N=10, hard=0.1).roll(64, 2, np.random.default_rng(1))
    c[4:7], sums[4:7] = 0, 0
    inner = between_families(Measured(n, c, sums, np.inf), FAMILIES)["inner"]
    assert [cell is None for cell in inner[1]] == [True] * 3
    assert inner[2][1] is None
    assert inner[0][2] is not None


@pytest.mark.parametrize("families", [[None] * 10, ["a"] * 10])
def test_one_family_has_no_other(families):
    measured = Measured(*world(N=10).roll(16, 2, np.random.default_rng(1)), np.inf)
    assert between_families(measured, families) is None


def test_too_many_families_are_left_out():
    N = MOST_FAMILIES + 1
    measured = Measured(*world(N=N).roll(16, 2, np.random.default_rng(1)), np.inf)
    assert between_families(measured, [str(i) for i in range(N)]) is None


def test_the_sketch_error_is_counted():
    rolled = world(N=10, hard=0.1).roll(64, 2, np.random.default_rng(3))
    wide, narrow = (between_families(Measured(*rolled, size), FAMILIES) for size in (16, np.inf))
    norm = [narrow["inner"][i][i]["value"] for i in range(3)]
    added = (norm[0] * norm[1] + narrow["inner"][0][1]["value"] ** 2) / 16
    assert wide["inner"][0][1]["se"] ** 2 == pytest.approx(narrow["inner"][0][1]["se"] ** 2 + added)
