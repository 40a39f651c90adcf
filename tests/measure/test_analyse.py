"""The verdict and the share of negative agreement, where the honest answer is not to know."""

import numpy as np
import pytest

from acute.errors import NotEnoughData
from acute.measure.analyse import _verdict, select
from acute.measure.counting import Counts
from acute.measure.many import Estimates
from acute.measure.prompts import fraction_negative

UP, DOWN, BOTH = (0.1, 0.5), (-0.5, -0.1), (-0.1, 0.2)


def test_no_conflict_only_where_every_prompt_was_seen():
    assert _verdict([1, 2], [UP, UP], never_right=0) == {"answer": "no conflict", "k": None}
    assert _verdict([1, 2], [UP, UP], never_right=1)["answer"] == "cannot tell"
    assert _verdict([1, 2, 3], [UP, BOTH, DOWN], never_right=1) == {"answer": "conflict", "k": 3}
    assert _verdict([1, 2], [UP, None], never_right=0)["answer"] == "cannot tell"


def answers(*values, se=10.0):
    value = np.array(values)
    return Estimates(value, np.full(len(values), se), value - 2 * se, value + 2 * se)


def test_noise_on_one_side_by_chance_is_not_certainty():
    found = fraction_negative(answers(1.0, 1.5, 2.0))
    assert (found.lo, found.hi) == (0.0, 1.0)


def test_clear_signs_are_counted():
    found = fraction_negative(answers(-100.0, -90.0, 80.0, 70.0))
    assert (found.value, found.lo, found.hi) == (0.5, 0.5, 0.5)


def test_too_large_a_k_is_named_as_the_cause():
    n_NM = np.full((3, 2), 4.0)
    ids, none = ["a", "b", "c"], np.zeros(3, int)
    counts = Counts(ids, n_NM, n_NM / 2, 0, none, none)
    with pytest.raises(NotEnoughData, match="no prompt is left to analyse at k = 64; left out: "):
        select(counts, np.zeros((3, 2, 2, 8)), ids, 64)
