"""A number with its error: what may be unknown, and how it is written."""

from dataclasses import FrozenInstanceError
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acute.core.estimate import Estimate


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_unknown_is_none_never_nan(wrong):
    with pytest.raises(ValueError, match="se of an estimate must be finite, or None"):
        Estimate(1.0, wrong, 0.0, 2.0)
    with pytest.raises(ValueError, match="value of an estimate"):
        Estimate(wrong, 1.0, 0.0, 2.0)


def test_json():
    assert Estimate(1.0, 0.5, 0.0, None).as_json() == {"value": 1.0, "se": 0.5, "lo": 0.0, "hi": None}


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Estimate(0.123456, 0.00789, 0.108, 0.139), "0.1235 ± 0.0079 [0.1080, 0.1390]"),
        (Estimate(123.456, 45.0, None, 200.0), "123 ± 45 [?, 200]"),
        (Estimate(0.5, None, None, None), "0.5 ± ?"),
        (Estimate(0.5, 0.0, None, None), "0.5 ± ?"),
        (Estimate(-0.00123456, 0.00012, -0.0015, -0.0010), "-0.00123 ± 0.00012 [-0.00150, -0.00100]"),
        (Estimate(7.0, 1.0, 5.0, 9.0), "7.0 ± 1.0 [5.0, 9.0]"),
        (Estimate(7.0, 9.99, None, None), "7.0 ± 10.0 [?, ?]"),
        (Estimate(1234.5, 10.0, 1214.0, None), "1234 ± 10 [1214, ?]"),
        (Estimate(123456.0, None, None, None), "1.235e+05 ± ?"),
    ],
)
def test_words(estimate, text):
    assert str(estimate) == text


@pytest.mark.parametrize("member", ["value", "se", "lo", "hi"])
@pytest.mark.parametrize("wrong", [nan, inf, -inf])
def test_every_member_is_watched(member, wrong):
    known = {"value": 1.0, "se": 0.5, "lo": 0.0, "hi": 2.0}
    with pytest.raises(ValueError, match=f"^{member} of an estimate .* found {wrong}$"):
        Estimate(**{**known, member: wrong})
    if member != "value":
        assert Estimate(**{**known, member: None}).as_json() == {**known, member: None}


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e5))
def test_the_error_has_two_digits_and_the_value_as_many_places(value, se):
    head, _, rest = str(Estimate(value, se, None, None)).partition(" ± ")
    error = rest.split()[0]
    assert float(error) == pytest.approx(se, rel=0.06)  # half a unit of the second digit
    assert len(error.lstrip("0.").replace(".", "")) >= 2 or se >= 10
    assert len(head.partition(".")[2]) == len(error.partition(".")[2])
    assert abs(float(head) - value) <= (0.06 * se if se < 10 else 0.5)


def test_an_estimate_is_not_changed_afterwards():
    with pytest.raises(FrozenInstanceError):
        Estimate(1.0, None, None, None).value = 2.0


def test_a_notebook_shows_what_print_shows():
    estimate = Estimate(0.123456, 0.00789, 0.108, 0.139)
    assert estimate._repr_html_() == "<span>0.1235 ± 0.0079 [0.1080, 0.1390]</span>"
