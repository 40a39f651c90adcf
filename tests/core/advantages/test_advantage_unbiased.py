"""Exact enumeration over all counts: each estimator's weight, for every n <= 12 and every k it admits.

The sum is written here from the model side (E[∇ log π | right] = ∇p/p, …), not by the code under test.
"""

from math import comb

import numpy as np
import pytest

from acute.core.advantages import pass_at_k as passk
from acute.core.advantages import pass_at_k_training as training
from acute.core.advantages import surrogates
from acute.core.advantages.registry import ESTIMATORS, find
from acute.core.objectives import parse
from acute.errors import ConfigError

P = np.array([0.03, 0.2, 0.5, 0.77, 0.95])


def weight(advantage, n, p):
    """E over c of (c A₊ / p - (n - c) A₋ / (1 - p)) / n."""
    total = 0.0
    for c in range(n + 1):
        a = advantage(np.r_[np.ones(c), np.zeros(n - c)])
        chance = comb(n, c) * p**c * (1 - p) ** (n - c)
        total = total + chance * (a[:c].sum() / p - a[c:].sum() / (1 - p)) / n
    return total


def admitted(estimator, most=12):
    return [(n, k) for n in range(1, most + 1) for k in range(1, n + 1) if estimator.admits(n, k)]


@pytest.mark.parametrize("name", [name for name, e in ESTIMATORS.items() if e.multiple])
def test_declared_multiples_are_exact(name):
    e = ESTIMATORS[name]
    assert admitted(e)
    for n, k in admitted(e):
        if name == "verl-grpo-passk" and n < 2:
            continue
        want = e.multiple(n, k) * e.declared(n, k).weight(P)
        assert weight(lambda r, k=k: e.advantage(r, k), n, P) == pytest.approx(want, rel=1e-9, abs=1e-12), (
            n,
            k,
        )


@pytest.mark.parametrize("name", [name for name, e in ESTIMATORS.items() if not e.multiple])
def test_the_biased_are_biased(name):
    e, n, k = ESTIMATORS[name], 8, 4
    ratio = weight(lambda r: e.advantage(r, k), n, P) / e.declared(n, k).weight(P)
    assert ratio.max() / ratio.min() > 1.2


def w(k):
    return k * (1 - P) ** (k - 1)


@pytest.mark.parametrize("n", [4, 9, 12])
def test_the_bias_of_the_maxrl_repository(n):
    for k in range(2, n + 1):
        want = w(k) * (1 + (k - 1) / (n - 1) * P / (1 - P))
        found = weight(lambda r, k=k: passk.maxrl_repository_pkpo(r, k), n, P)
        assert found == pytest.approx(want, rel=1e-9)


def test_it_is_1_8_times_too_large_at_p_08():
    assert weight(lambda r: passk.maxrl_repository_pkpo(r, 4), 16, 0.8) == pytest.approx(1.8 * 4 * 0.2**3)


@pytest.mark.parametrize("n", [2, 5, 12])
def test_verl_grpo_passk_is_pass_at_n(n):
    assert weight(lambda r: passk.verl_grpo_passk(r, by_std=False), n, P) == pytest.approx(w(n) / n)
    by_std = weight(lambda r: passk.verl_grpo_passk(r, epsilon=1e-15), n, P)
    assert by_std == pytest.approx(w(n) / np.sqrt(n))


def test_verl_grpo_passk_learns_from_one_success_alone():
    for c in (0, 2, 3, 4):
        assert not passk.verl_grpo_passk(np.r_[np.ones(c), np.zeros(4 - c)]).any()
    assert passk.verl_grpo_passk([0.0, 1.0, 0.0, 0.0], epsilon=1e-15) == pytest.approx([0, 2, 0, 0])


def test_centring_tang_lowers_k_by_one():
    assert weight(passk.tang_mean_centred, 7, P) == pytest.approx(w(6))


@pytest.mark.parametrize("by_std", [True, False])
def test_analytic_pass_at_k_training_is_zero_at_k_n(by_std):
    for n in range(1, 9):
        for c in range(n + 1):
            rewards = np.r_[np.ones(c), np.zeros(n - c)]
            assert not training.pass_at_k_training(rewards, n, by_std=by_std).any()


def test_pass_at_k_training_tends_to_its_surrogate():
    k, p = 4, np.array([0.2, 0.5])
    rho = 1 - (1 - p) ** k
    want = (1 - p) ** (k - 1) / np.sqrt(rho * (1 - rho))
    errors = [
        abs(weight(lambda r: training.pass_at_k_training(r, k), n, p) / want - 1).max() for n in (20, 80, 320)
    ]
    assert errors[0] > errors[1] > errors[2] and errors[2] < 0.03


def test_grpo_tends_to_the_arcsine_weight():
    p = np.array([0.2, 0.5, 0.7])
    errors = [abs(weight(surrogates.grpo, n, p) * np.sqrt(p * (1 - p)) - 1).max() for n in (8, 32, 128)]
    assert errors[0] > errors[1] > errors[2] and errors[2] < 0.02


def test_rs_grpo_tends_to_the_risk_sensitive_weight():
    p, target = np.array([0.2, 0.5, 0.7]), parse("risk@2").weight
    errors = [abs(weight(surrogates.rs_grpo, n, p) / target(p) - 1).max() for n in (8, 32, 128)]
    assert errors[0] > errors[1] > errors[2] and errors[2] < 0.02


@pytest.mark.parametrize(
    "name", ["pass@4", "pass^3", "3-of-5", "majority@5", "log@4", "power@3", "mixture@0.3,4"]
)
def test_leave_one_out_is_unbiased_for_every_polynomial(name):
    f = parse(name)
    for n in range(f.responses_needed, 13):
        found = weight(lambda r: surrogates.leave_one_out(r, f), n, P)
        assert found == pytest.approx(f.weight(P), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", ["grpo", "rs-grpo"])
def test_the_surrogates_in_the_registry_tend_to_what_they_declare(name):
    e, p = ESTIMATORS[name], np.array([0.2, 0.5, 0.7])
    found = weight(lambda r: e.advantage(r, 1), 256, p)
    assert found == pytest.approx(e.declared(256, 1).weight(p), rel=0.02)


def test_leave_one_out_says_what_it_needs():
    with pytest.raises(ConfigError, match=r"pass@4 needs groups of 4 or more, found 3"):
        surrogates.leave_one_out([1, 0, 0], parse("pass@4"))
    with pytest.raises(ConfigError, match="no unbiased estimate"):
        surrogates.leave_one_out([1, 0, 0], parse("log"))


def test_names_are_found_or_refused_with_the_list():
    assert find("rloo") is ESTIMATORS["rloo"]
    with pytest.raises(ConfigError, match=r"rloo, .*found 'rlo'"):
        find("rlo")
    assert all(name == e.name for name, e in ESTIMATORS.items())
