"""Bands of pass@k over all k at once."""

import numpy as np
import pytest

from acute.measure import success
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


def test_many_prompts_are_looked_up_and_nothing_changes(monkeypatch):
    """Counts of several n, few of each; with the table and without it bit for bit the same."""
    rng = np.random.default_rng(0)
    n = rng.choice([4.0, 7.0, 8.0], 3000)
    c = rng.binomial(n.astype(int), rng.beta(0.4, 0.8, 3000)).astype(float)
    ks, calls = range(1, 5), []
    formula = success.pass_at_k

    def counted(*arguments):
        calls.append(len(arguments[0]))
        return formula(*arguments)

    def everything():
        return [(pass_at_k_of_these(n, c, k), pass_at_k_of_population(n, c, k)) for k in ks] + [
            pass_at_k_band(n, c, ks, 0),
            pass_at_k_population_band(n, c, ks, 0),
        ]

    monkeypatch.setattr(success, "pass_at_k", counted)
    found = everything()
    assert max(calls) == len({*zip(n, c, strict=True)})
    monkeypatch.setattr(success, "_looked_up", lambda of, n_N, c_N: of(n_N, c_N))
    assert everything() == found
    assert max(calls) == 3000
