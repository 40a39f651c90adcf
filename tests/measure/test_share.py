"""The share of the weight that hard prompts take: unbiased where folds tell which are hard; its interval."""

from functools import partial

import numpy as np
import pytest

from acute.core.estimators import pass_at_k_weight
from acute.measure.share import hard_share

W4 = partial(pass_at_k_weight, k=4)


def test_by_hand():
    n, c = np.array([[4.0, 4.0]] * 3), np.array([[0.0, 0.0], [2.0, 2.0], [4.0, 4.0]])
    found = hard_share(W4, n, c)
    # w_4 from 4 responses: 4 of none right; 0 of two right, as no three of four fail
    assert found.cross_fitted and found.share.value == 1.0
    found = hard_share(partial(pass_at_k_weight, k=2), n, c)
    assert found.share.value == pytest.approx(2 / (2 + 2 * 0.5 + 0))


def draws(rng, p, fold, folds, times):
    for _ in range(times):
        c = rng.binomial(fold, p[:, None], (len(p), folds)).astype(float)
        yield np.full(c.shape, float(fold)), c


def test_telling_hard_prompts_by_other_folds_is_unbiased_and_by_the_same_is_not():
    """All prompts have p = 0.25: which look hard is luck, and luck in one fold says nothing of another."""
    rng, p = np.random.default_rng(0), np.full(400, 0.25)
    crossed, same = [], []
    for n, c in draws(rng, p, 8, 2, 60):
        looks_hard = (c < 0.1 * 8).mean()  # share of prompts that a fold calls hard
        crossed.append(hard_share(W4, n, c).share.value - looks_hard)
        one = hard_share(W4, n[:, :1], c[:, :1])
        assert not one.cross_fitted
        same.append(one.share.value - looks_hard)
    assert abs(np.mean(crossed)) < 4 * np.std(crossed) / np.sqrt(60)
    none_of_8 = 0.75**8  # such prompts look hard, and weigh 4 instead of 4 · 0.75³
    wanted = none_of_8 / 0.75**3 - none_of_8
    assert np.mean(same) == pytest.approx(wanted, abs=4 * np.std(same) / np.sqrt(60)) and wanted > 0.13


def test_the_interval_covers():
    rng = np.random.default_rng(1)
    truth_p = rng.beta(0.4, 0.8, 200_000)
    weight = 4 * (1 - truth_p) ** 3
    called_hard = np.array([(1 - p) ** 8 for p in truth_p])  # no success in the other fold of 8
    truth = (weight * called_hard).sum() / weight.sum()
    hits = 0
    for _ in range(200):
        p = rng.beta(0.4, 0.8, 100)
        n, c = next(draws(rng, p, 8, 2, 1))
        share = hard_share(W4, n, c).share
        hits += share.lo <= truth <= share.hi
    assert 0.90 <= hits / 200 <= 0.99


def test_what_cannot_be_had():
    n, c = np.full((3, 2), 4.0), np.full((3, 2), 4.0)
    assert hard_share(W4, n, c) is None  # no weight at all
    assert hard_share(partial(pass_at_k_weight, k=10), n, 0 * c) is None  # too few responses
    assert hard_share(partial(pass_at_k_weight, k=6), n, 0 * c).cross_fitted is False  # a fold has too few
    lone = hard_share(W4, n[:1], 0 * c[:1]).share
    assert lone.value == 1 and lone.se is None
