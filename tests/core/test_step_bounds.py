"""Constants as maxima found on a grid, step ranges as the best of many steps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acute.core import steps as S
from acute.errors import InputError
from tests.core.asserts import assert_close, assert_monotone

few = settings(deadline=None, max_examples=50)
positive = st.floats(0.1, 10)
p = np.linspace(1e-6, 1 - 1e-6, 400_001)


@pytest.mark.parametrize("k", [2, 3, 8, 21])
def test_the_first_part_of_the_sharp_constant_is_a_maximum(k):
    """|w_k'(p)| p (1-p) = k (k-1) (1-p)**(k-1) p is largest at p = 1/k."""
    curve = k * (k - 1) * (1 - p) ** (k - 1) * p
    assert p[curve.argmax()] == pytest.approx(1 / k, abs=1e-5)
    assert S.sharp_smoothness(k, 1.0, 0.0) - k / 2 == pytest.approx(curve.max(), rel=1e-9)
    assert S.sharp_smoothness(k, 0.0, 3.0) == pytest.approx(1.5 * k)  # the other part: k (G² + F)/2


@pytest.mark.parametrize("k", [1, 2, 5, 17])
def test_the_sharp_gradient_bound_is_a_maximum(k):
    curve = (k * (1 - p) ** (k - 1)) ** 2 * p * (1 - p)
    assert p[curve.argmax()] == pytest.approx(1 / (2 * k), abs=1e-5)
    assert S.sharp_gradient_bound(k, 3.0) == pytest.approx(3 * curve.max(), rel=1e-9)


def test_the_sharp_constants_at_large_k():
    """k/(2e) for the gradient, 1/e per k for the first part of the smoothness."""
    assert S.sharp_gradient_bound(10_000, 1.0) / 10_000 == pytest.approx(1 / (2 * np.e), rel=1e-3)
    assert S.sharp_smoothness(10_000, 1.0, 0.0) / 10_000 == pytest.approx(1 / np.e + 1 / 2, rel=1e-3)


@few
@given(st.integers(1, 60), positive, positive)
def test_sharp_is_below_paper_and_all_grow(k, G2, F):
    assert S.sharp_smoothness(k, G2, F) < S.paper_smoothness(k, G2, F)
    assert S.sharp_gradient_bound(k, G2) < S.paper_gradient_bound(k, G2)
    for constant in (S.paper_smoothness, S.sharp_smoothness):
        assert_monotone([constant(j, G2, F) for j in range(k, k + 5)], strictly=True)
        assert constant(k, 2 * G2, 2 * F) == pytest.approx(2 * constant(k, G2, F))
    assert S.paper_smoothness(1, G2, F) == pytest.approx(G2 + F)
    assert S.sharp_smoothness(1, G2, F) == pytest.approx((G2 + F) / 2)


@few
@given(positive, positive, positive, positive)
def test_the_sharp_step_is_where_its_bounds_are_best_and_where_they_end(inner, squared, L1, Lk):
    found = S.sharp_step(-inner, squared, L1, Lk)

    def upper(eta):
        return S.pass_at_1_change_bounds(-inner, squared, L1, eta)[1]

    def gain(eta):
        return S.pass_at_k_gain_bound(squared, Lk, eta)

    around = np.linspace(0.5, 1.5, 41)
    assert min(upper(found.best_for_drop * x) for x in around) == pytest.approx(upper(found.best_for_drop))
    assert max(gain(found.best_for_rise * x) for x in around) == pytest.approx(gain(found.best_for_rise))
    assert upper(2 * found.best_for_drop) == pytest.approx(0, abs=1e-9 * inner**2)
    assert gain(2 * found.best_for_rise) == pytest.approx(0, abs=1e-9 * squared)
    assert found.largest == pytest.approx(2 * min(found.best_for_drop, found.best_for_rise))
    assert upper(0.99 * found.largest) < 0 < gain(0.99 * found.largest)


@few
@given(positive, st.integers(2, 20), positive, positive)
def test_the_step_of_proposition_4_6(delta, k, G2, F):
    """-η δ + C_2 η² < 0 up to δ/C_2, where it is 0 and the printed strictness fails."""
    found = S.paper_step(delta, k, G2, F)
    c2 = k**2 * G2 * (G2 + F) / 2
    end = delta / c2

    def change(eta):
        return -eta * delta + c2 * eta**2

    assert change(end) == pytest.approx(0, abs=1e-9 * delta)
    assert min(change(end * x) for x in np.linspace(0, 1, 41)) == pytest.approx(change(found.best_for_drop))
    assert found.best_for_rise == pytest.approx(1 / (k**2 * G2 + k * F))
    assert found.largest == pytest.approx(min(end, found.best_for_rise))


@few
@given(st.floats(-5, 5), positive, positive, st.floats(0.001, 2))
def test_changes_lie_on_both_sides_of_the_first_order(inner, squared, L1, eta):
    lower, upper = S.pass_at_1_change_bounds(inner, squared, L1, eta)
    assert (lower + upper) / 2 == pytest.approx(eta * inner)
    assert upper - lower == pytest.approx(L1 * eta**2 * squared)
    moved = S.pass_at_1_change_bounds(-inner, squared, L1, eta)
    assert_close(moved, [-upper, -lower])


def test_the_scale_of_the_parameters_does_not_matter():
    """θ in units of 1/s: gradients times s, curvatures and squares times s², steps over s²."""
    one, other = (S.sharp_step(-(s**2) * 0.3, s**2 * 2.0, s**2 * 0.7, s**2 * 5.0) for s in (1.0, 3.0))
    assert_close(np.array(other) * 9, one)
    assert one == pytest.approx((2 / 5, 0.3 / 1.4, 1 / 5))


def test_nothing_is_guaranteed_without_conflict():
    for inner in (0.0, 0.5, float("nan")):
        assert S.sharp_step(inner, 1.0, 1.0, 1.0) == (0, 0, 0)
        assert S.paper_step(-inner, 3, 1.0, 1.0) == (0, 0, 0)
    assert S.paper_step(1e-9, 2, 1.0, 1.0).largest > 0


@pytest.mark.parametrize(
    "ask",
    [
        lambda: S.paper_gradient_bound(0, 1.0),
        lambda: S.sharp_gradient_bound(2, -0.5),
        lambda: S.sharp_smoothness(1, 1.0, -1e-9),
        lambda: S.paper_smoothness(-1, 1.0, 1.0),
    ],
)
def test_impossible_constants_are_named(ask):
    with pytest.raises(InputError, match=r"needed k >= 1, G2 >= 0 and F >= 0, found k = "):
        ask()


def test_the_least_constants_are_allowed():
    assert S.paper_smoothness(1, 0.0, 0.0) == S.sharp_smoothness(1, 0.0, 0.0) == 0
    assert S.sharp_gradient_bound(1, 0.0) == S.paper_gradient_bound(1, 0.0) == 0
    with pytest.raises(InputError, match="needed k >= 2, found 1"):
        S.paper_step(1.0, 1, 1.0, 1.0)
