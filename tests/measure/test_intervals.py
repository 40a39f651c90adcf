"""Intervals by hand."""

import numpy as np
import pytest
from scipy import stats

from acute.measure.conflict import Curve, Measured
from acute.measure.intervals import deletion_variance, ratio


def test_fiellers_interval_is_all_ratios_that_are_not_refused():
    top, bottom, v_top, v_bottom, both, df = 1.0, 4.0, 0.3, 0.5, 0.25, 6
    found = ratio(top, bottom, lambda r: (v_top - 2 * r * both + r**2 * v_bottom, df), (-1.0, 1.0))
    r = np.linspace(-1, 1, 200_001)
    kept = r[
        np.abs(top - r * bottom) <= stats.t.ppf(0.975, df) * np.sqrt(v_top - 2 * r * both + r**2 * v_bottom)
    ]
    assert (found.lo, found.hi) == (pytest.approx(kept[0], abs=2e-5), pytest.approx(kept[-1], abs=2e-5))


def test_degrees_of_freedom_of_one_prompt_and_of_equal_ones():
    one = np.array([[0.0, 1.0, 2.0, 5.0]])
    assert deletion_variance(one)[1] == pytest.approx(3)
    _, df = deletion_variance(np.repeat(one, 10, axis=0))
    assert df == pytest.approx((4 + 1) * 10 - 2)


def test_a_common_rescaling_is_no_error_of_the_cosine():
    """Folds that differ in length alone: inner products move, the angle does not."""
    base = np.array([[[1.0, 2.0, 0.0], [-3.0, -6.0, 0.0]]])
    sums = np.stack([base * 0.9, base * 1.1], 1)
    curve = Curve(Measured(np.full((1, 2), 8.0), np.full((1, 2), 3.0), sums, np.inf), 2)
    assert curve.inner(2).estimate.se > 0.05 * curve.inner(2).estimate.value
    assert curve.cosine(2).estimate.se < 1e-2 * curve.inner(2).estimate.se / curve.inner(2).estimate.value
