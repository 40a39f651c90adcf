"""The registry row by row: what is declared, with which factor, from which n and k on."""

import numpy as np
import pytest

from acute.core.advantages import pass_at_k_training as training
from acute.core.advantages.groups import need_binary
from acute.core.advantages.registry import ESTIMATORS, find
from acute.errors import InputError

# name: objective, multiple, smallest n and smallest k; at n = 8, k = 4
DECLARED = {
    "reinforce": ("pass@1", 1, 1, 1),
    "rloo": ("pass@1", 1, 2, 1),
    "mean-centred": ("pass@1", 7 / 8, 1, 1),
    "psr": ("pass@1", 1, 1, 1),
    "nsr": ("pass@1", 1, 1, 1),
    "w-reinforce": ("pass@1", 1.1, 1, 1),
    "grpo": ("arcsine", None, 2, 1),
    "maxrl": ("log@7", 1, 2, 1),
    "maxrl-uncentred": ("log@8", 1, 1, 1),
    "rs-grpo": ("risk@2", None, 1, 1),
    "pkpo": ("pass@4", 1, 4, 1),
    "pkpo-loo": ("pass@4", 1, 5, 1),
    "pkpo-loo-1": ("pass@4", 1, 4, 2),
    "pass-at-k-loo": ("pass@4", 1, 4, 1),
    "mixture-loo": ("mixture@0.5,4", 1, 4, 1),
    "tang": ("pass@8", 1, 2, 1),
    "tang-mean-centred": ("pass@7", 1, 2, 1),
    "verl-grpo-passk": ("pass@8", 1 / 8 / (8**-0.5 + 1e-6), 2, 1),
    "pass-at-k-training": ("pass@4", None, 4, 1),
    "pass-at-k-training-no-std": ("pass@4", 4 / 32, 4, 1),
    "pass-at-k-training-bootstrap": ("pass@4", None, 4, 1),
    "pass-at-k-training-bootstrap-no-std": ("pass@4", 7 / 8 * 4 / 8, 4, 1),
    "naive-plug-in": ("pass@4", None, 1, 1),
    "naive-plug-in-rloo": ("pass@4", None, 2, 1),
    "maxrl-repository-pkpo": ("pass@4", None, 4, 2),
    "mean-centred-pkpo": ("pass@4", 4 / 8, 4, 1),
}
REAL = {"reinforce", "rloo", "mean-centred", "pkpo", "pkpo-loo", "pkpo-loo-1", "tang", "mean-centred-pkpo"}


def test_the_table_is_the_registry():
    assert list(DECLARED) == list(ESTIMATORS)
    assert {name for name, e in ESTIMATORS.items() if e.real_rewards} == REAL
    assert all(e.source and find(name) is e for name, e in ESTIMATORS.items())


@pytest.mark.parametrize("name", DECLARED)
def test_each_row(name):
    objective, multiple, least_n, least_k = DECLARED[name]
    e = ESTIMATORS[name]
    assert e.declared(8, 4).name == objective
    assert (e.multiple and e.multiple(8, 4)) == (multiple and pytest.approx(multiple, rel=1e-12))
    assert (e.least_n(4), e.least_k) == (least_n, least_k)
    assert e.admits(least_n, 4) and not e.admits(least_n - 1, 4) and not e.admits(8, least_k - 1)


@pytest.mark.parametrize(("n", "k"), [(2, 1), (2, 2), (7, 7)])
def test_groups_of_one_more_where_a_baseline_needs_it(n, k):
    """With k = 1 a leave-one-out baseline still needs two responses."""
    for name in ("pass-at-k-loo", "mixture-loo", "pkpo-loo-1", "maxrl-repository-pkpo"):
        assert not ESTIMATORS[name].admits(1, 1)
        assert ESTIMATORS[name].admits(n, k) == (k >= ESTIMATORS[name].least_k)


def test_drawn_subsets_are_drawn_without_preference():
    """60,000 draws of three of five: every subset within five standard errors of a tenth."""
    drawn = np.sort(training.draw_subsets(5, 3, 60_000, np.random.default_rng(0)), axis=-1)
    kinds, counts = np.unique(drawn, axis=0, return_counts=True)
    assert np.array_equal(kinds, training.all_subsets(5, 3)) and training.all_subsets(5, 3).shape == (10, 3)
    assert np.abs(counts / 60_000 - 0.1).max() < 5 * np.sqrt(0.09 / 60_000)


def test_subsets_by_hand():
    """Three pairs of four responses, the first alone right: two pairs win, so the mean is 2/3."""
    pairs = np.array([[0, 1], [2, 0], [2, 3]])
    found = training.pass_at_k_training_subsets([1, 0, 0, 0], pairs, by_std=False)
    assert found == pytest.approx([2 / 3, 1 / 3, 1 / 3 - 2 / 3, -2 / 3])
    scaled = training.pass_at_k_training_subsets([1, 0, 0, 0], pairs)
    assert scaled == pytest.approx(found / np.sqrt(2 / 9))
    assert not training.pass_at_k_training_subsets([1, 1, 1, 1], pairs).any()
    assert training.pass_at_k_training_bootstrap([1, 0, 0], 2, 1) == pytest.approx([0, 0, 0])  # no spread


def test_what_is_not_binary_is_named():
    need_binary(np.array([[0.0, 1.0], [1.0, 1.0]]), "it")
    with pytest.raises(InputError, match=r"^it is defined for rewards 0 and 1 alone, found 0\.25$"):
        need_binary(np.array([[0.0, 1.0], [0.25, 7.0]]), "it")
