"""Intervals by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from acute.measure.conflict import Curve, Measured
from acute.measure.intervals import (
    Bend,
    bend,
    fold_variance,
    from_error,
    moderated,
    p_value_negative,
    ratio,
    simultaneous_reach,
)

floats = st.floats(-3, 3)


def test_fiellers_interval_is_all_ratios_that_are_not_refused():
    top, bottom, v_top, v_bottom, both, df = 1.0, 4.0, 0.3, 0.5, 0.25, 6
    found = ratio(top, bottom, lambda r: (v_top - 2 * r * both + r**2 * v_bottom, df), (-1.0, 1.0))
    r = np.linspace(-1, 1, 200_001)
    kept = r[
        np.abs(top - r * bottom) <= stats.t.ppf(0.975, df) * np.sqrt(v_top - 2 * r * both + r**2 * v_bottom)
    ]
    assert (found.lo, found.hi) == (pytest.approx(kept[0], abs=2e-5), pytest.approx(kept[-1], abs=2e-5))


@pytest.mark.parametrize("of", [Bend(0.1, 0.2), Bend(-0.05, -0.1)])
@pytest.mark.parametrize("bias", [0.0, 0.1])
def test_fiellers_interval_with_a_bent_t_and_a_bias_taken_off(of, bias):
    """All ratios that are not refused with the bias taken off or without."""
    top, bottom, v_top, v_bottom, both, df = 1.0, 4.0, 0.1, 0.2, 0.05, 9

    def along(r):
        return v_top - 2 * r * both + r**2 * v_bottom, df

    found = ratio(top, bottom, along, (-1.0, 1.0), bias, of)
    assert found.value == pytest.approx(1 / 4 / (1 + bias))
    r, ends = np.linspace(-1, 1, 200_001), []
    for larger in (bottom, bottom * (1 + bias)):
        t = (top - r * larger) / np.sqrt(along(r)[0])
        kept = r[np.abs([of.straight(x) for x in t]) <= stats.t.ppf(0.975, df)]
        ends += [kept[0], kept[-1]]
    assert (found.lo, found.hi) == (pytest.approx(min(ends), abs=2e-5), pytest.approx(max(ends), abs=2e-5))


def test_a_ratio_over_what_may_be_0_may_be_anything():
    found = ratio(1.0, 1.0, lambda r: (0.1 + r**2, 9), (-1.0, 1.0), 0.2)
    assert (found.lo, found.hi) == (-1.0, 1.0)


@given(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5), floats, floats)
def test_a_bend_is_monotone_and_undone(a, b, t, other):
    of = Bend(a, b)
    assert of.bent(of.straight(t)) == pytest.approx(t, abs=1e-4)
    assert (of.straight(t) - of.straight(other)) * (t - other) >= -1e-12


def test_bend_by_hand():
    """Three values -1, -1, 2: variance 2, third moment 2, γ = 2 / (2√2 √3)."""
    psi = np.array([-1.0, -1.0, 2.0])
    size = 2 * np.sqrt(2) * np.sqrt(3)
    assert bend(psi) == pytest.approx((2 / size / 6, 2 / size / 3))
    assert bend(psi, 0.6) == pytest.approx((2 / size / 6 + 0.6 / size, 2 / size / 3 + 0.6 / size))
    assert bend(np.zeros(3)) == (0.0, 0.0)


@pytest.mark.parametrize("a", [-5.0, 5.0])
def test_an_interval_holds_its_estimate_however_far_t_is_bent(a):
    found = from_error(1.0, 0.1, 30, of=Bend(a, 0.0))
    assert found.lo <= 1.0 <= found.hi and found.hi - found.lo > 0.3


def test_bent_intervals_and_p_values_agree():
    """The p-value is 2.5 % where the upper end is 0."""
    of = Bend(0.05, 0.1)
    upper = from_error(0.0, 1.0, 8, of=of).hi
    at_0 = from_error(-upper, 1.0, 8, of=of)
    assert at_0.hi == pytest.approx(0)
    assert p_value_negative(at_0, 8, of) == pytest.approx(0.025)


def test_t_of_a_skewed_mean_is_straightened():
    """Means of 12 exponentials: both tails of t are near 2.5 % once bent, and far from it before."""
    rng = np.random.default_rng(0)
    t = stats.t.ppf(0.975, 11)
    plain, straight = [], []
    for _ in range(4000):
        x = rng.exponential(size=12)
        value = (x.mean() - 1) / (x.std(ddof=1) / np.sqrt(12))
        plain.append(value)
        straight.append(bend(x - x.mean()).straight(value))
    plain, straight = np.array(plain), np.array(straight)
    assert (plain < -t).mean() > 0.06
    assert (straight < -t).mean() < 0.75 * (plain < -t).mean()
    assert (straight > t).mean() < 0.03


def test_degrees_of_freedom_of_one_prompt_and_of_equal_ones():
    one = np.array([[-2.0, -1.0, 0.0, 3.0]])
    assert fold_variance(one) == (pytest.approx(14), pytest.approx(3))
    _, df = fold_variance(np.repeat(one, 10, axis=0))
    assert df == pytest.approx((4 + 1) * 10 - 2)
    assert fold_variance(np.zeros((3, 2))) == (0.0, np.inf)


def test_moderated_variances_by_hand():
    """M = 2: one degree of freedom each. Values 1, 7: mean 4, mean square of ratios 25/16 → below 1 + 2."""
    found, df = moderated(np.array([1.0, 7.0]), 2)
    assert df == pytest.approx(1 + 4 + 2 * 50)
    assert found == pytest.approx((np.array([1.0, 7.0]) + 104 * 4) / 105)
    # nine 0 and a 10: ratios 0 and 10, mean square 10, 10 / 3 - 1 = 7/3 beyond the folds'
    found, df = moderated(np.array([0.0] * 9 + [10.0]), 2)
    prior = 4 + 2 / (7 / 3)
    assert df == pytest.approx(1 + prior)
    assert found == pytest.approx((np.array([0.0] * 9 + [10.0]) + prior) / (1 + prior))
    assert moderated(np.zeros(4), 2)[1] == np.inf


def test_moderated_variances_keep_their_sum():
    own = np.random.default_rng(0).chisquare(1, 40)
    assert moderated(own, 2)[0].sum() == pytest.approx(own.sum())


def test_a_common_rescaling_is_no_error_of_the_cosine():
    """Folds that differ in length alone: inner products move, the angle does not."""
    base = np.array([[[1.0, 2.0, 0.0], [-3.0, -6.0, 0.0]]])
    sums = np.stack([base * 0.9, base * 1.1], 1)
    curve = Curve(Measured(np.full((1, 2), 8.0), np.full((1, 2), 3.0), sums, np.inf), 2)
    assert curve.inner(2).estimate.se > 0.05 * curve.inner(2).estimate.value
    assert curve.cosine(2).estimate.se < 1e-2 * curve.inner(2).estimate.se / curve.inner(2).estimate.value


def test_a_band_is_nowhere_narrower_than_the_interval_of_one_k():
    """Folds that happen to agree show no noise; the sketch's own error is still there."""
    assert simultaneous_reach(np.zeros((3, 2, 2)), np.inf, 0) == pytest.approx(1.96, abs=0.001)
    one = np.random.default_rng(0).normal(size=(1, 20, 2))
    assert simultaneous_reach(one, 7.0, 0) >= stats.t.ppf(0.975, 7.0)
