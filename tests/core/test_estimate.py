"""A number with its error: what may be unknown, and how it is written."""

import pytest

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
    ],
)
def test_words(estimate, text):
    assert str(estimate) == text
