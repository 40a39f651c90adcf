"""At the edges a formula is silent: no division by zero, no overflow, nothing for the caller's log."""

import numpy as np
import pytest

from acute.core import agreement as A
from acute.core import objectives as O
from acute.core import prompt_weight as W
from acute.core import reward_law as R
from acute.core import theory as T
from acute.core import toy
from acute.core.advantages.pass_at_k import best_of_k
from acute.core.advantages.registry import ESTIMATORS
from acute.core.advantages.votes import majority_vote
from acute.core.estimators import all_fail, pass_at_k_advantages
from acute.core.products import coefficients, plug_in, unbiased
from acute.core.profiler import profile


@pytest.fixture(autouse=True)
def every_warning_is_an_error():
    with np.errstate(divide="raise", invalid="raise", over="raise"):
        yield


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("n", [1, 2, 5])
def test_groups_without_a_success_or_without_a_failure(name, n):
    for k in (1, 2, n):
        if ESTIMATORS[name].admits(n, k):
            for rewards in (np.zeros(n), np.ones(n), np.eye(n)[0]):
                assert np.isfinite(ESTIMATORS[name].advantage(rewards, k)).all()


@pytest.mark.parametrize("name", ESTIMATORS)
def test_profiles_close_to_the_ends(name):
    e = ESTIMATORS[name]
    found = (
        profile(e.advantage, e.declared(6, 6), 6, 6, p=np.array([1e-12, 1 - 1e-12]))
        if e.admits(6, 6)
        else None
    )
    assert found is None or np.isfinite(found.weight).all()


def test_counts_of_nobody():
    assert np.isnan(all_fail(0, 0, 1)) and all_fail(0, 0, 0) == 1
    assert all(np.isnan(a) for a in pass_at_k_advantages([0, 1], [0, 1], 1)[0])
    assert np.isnan(O.estimate_monomial(0, 0, 1, 0)) and O.estimate_monomial(0, 0, 0, 0) == 1
    empty = np.array([[0.0, 4.0]]), np.array([[0.0, 1.0]])
    found = coefficients([unbiased(1), plug_in(2)], *empty)
    assert np.isnan(found.fold_NMO(0)[0, 0]).all()  # no fold, no estimate: not 0
    assert found.fold_NMO(1)[0, 0].tolist() == [0, 0]
    assert np.isfinite(found.full_JNO).all()


def test_prompts_without_gradient_weight_or_spread():
    assert np.isnan(A.cosine_kernel(np.zeros((2, 2)))).all()
    half = A.cosine_kernel(A.kernel([[0.0, 0.0], [2.0, 0.0]]))
    assert np.isnan(half[0]).all() and np.isnan(half[1, 0]) and half[1, 1] == 1
    assert np.isnan(A.correlation([1.0, 1.0], [0.0, 2.0], 1.0).value)
    assert np.isnan(toy.state(toy.tabular([[0, 0]]), np.zeros(2), 2).cosine)
    assert T.certificate([0.0, 1.0], [-1.0, 1.0], 3).W_plus == 0
    assert T.k_star(0.0, 1.0, 0.5, 0.1, 1.0) == 1
    assert T.transitions([0.0, 1.0], [-1.0, 1.5]) == [(1, 1), (2, -1)]


def test_ends_of_the_objectives():
    ends = np.array([0.0, 1.0])
    for name, weight in (("log", [np.inf, 1]), ("arcsine", [np.inf, np.inf]), ("logit", [np.inf, np.inf])):
        assert O.parse(name).weight(ends).tolist() == weight, name
    assert O.parse("logit").value(ends).tolist() == [-np.inf, np.inf]
    assert O.parse("power@-1").value(ends).tolist() == [-np.inf, -1]
    assert W.binomial(3, ends).tolist() == [[1, 0, 0, 0], [0, 0, 0, 1]]
    assert W.binomial(0, 0.3).tolist() == [1]


def test_laws_with_kinds_that_never_occur():
    values, chance = [0.0, 1.0, 2.0], [0.0, 1.0, 0.0]
    assert R.max_at_k(values, chance, 3) == 1
    assert R.max_at_k_score_weight(values, chance, 3).tolist() == [0, 0, 3]
    assert R.best_of_k_score_weight(values, values, chance, 3).tolist() == [0, 0, 3]
    assert R.expected_advantages(lambda r: r - r.mean(-1, keepdims=True), 3, values, chance).tolist() == [
        pytest.approx(-2 / 3),
        0,
        pytest.approx(2 / 3),
    ]
    assert R.ladder(values, 0.0)[1].tolist() == [1, 0, 0]


def test_groups_whose_answers_are_all_alike():
    assert majority_vote([1.0, 1.0], ["a", "a"]).tolist() == [0, 0]
    assert best_of_k([3.0, 3.0], [1.0, 1.0], 2).tolist() == [0, 0]
    assert not ESTIMATORS["grpo"].advantage(np.full(4, 0.3), 1).any()
