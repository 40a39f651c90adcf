"""Bands of pass@k over all k at once."""

import numpy as np
import pytest

from acute.measure.success import (
    pass_at_k_band,
    pass_at_k_of_population,
    pass_at_k_of_these,
    pass_at_k_population_band,
)

KS = [1, 2, 4, 8, 16]
n, c = np.full(40, 16.0), np.random.default_rng(0).binomial(16, 0.3, 40).astype(float)


@pytest.mark.parametrize(
    ("band", "single"),
    [(pass_at_k_band, pass_at_k_of_these), (pass_at_k_population_band, pass_at_k_of_population)],
)
def test_the_band_is_wider_than_one_interval_and_no_wider_than_five(band, single):
    found = band(n, c, KS[:4], 0)
    for ends, k in zip(found, KS, strict=False):
        one = single(n, c, k)
        assert ends[0] <= one.lo and one.hi <= ends[1]
        reach = (ends[1] - one.value) / one.se
        assert 2.05 < reach < 2.9  # more than one interval's, less than Bonferroni's over four with t


def test_without_an_error_there_is_no_band():
    assert pass_at_k_band(n, c, KS, 0)[4] is None  # n = k: no response can be left out
    assert pass_at_k_band(n, n, [1, 2], 0) == [None, None]
    assert pass_at_k_population_band(n, c, [17], 0) == [None]
