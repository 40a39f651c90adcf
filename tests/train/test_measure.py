"""Measuring leaves no trace, and estimates what it says on worlds with exact truth."""

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from acute.errors import InputError, OutsideError
from acute.train.measure import conflict, undisturbed
from acute.train.mitigate import safe_k
from acute.train.rolled import Rolled, Row, grouped, key_of
from acute.train.state import State
from acute.train.target import target
from tests.worlds import world


def rolled(w, n, rng):
    """A world's draws as groups; responses do not matter, their gradient sums are given beside."""
    groups, sums = [], []
    for x in range(len(w.p_N)):
        drawn = rng.choice(len(w.pi_NY[x]), n, p=w.pi_NY[x])
        rewards = w.r_NY[x][drawn]
        groups.append(Rolled(f"p{x}", "hard" if w.p_N[x] < 0.3 else "easy", (), ((),) * n, tuple(rewards)))
        parts = [[w.s_NYD[x][drawn[m::2]][rewards[m::2] == o].sum(0) for o in (0, 1)] for m in range(2)]
        sums.append(np.array(parts))
    return groups, sums


@pytest.mark.parametrize("about", ["prompts", "distribution"])
def test_the_estimates_are_unbiased(about):
    w, rng = world(N=8), np.random.default_rng(0)
    found, rounds = [], 600
    for _ in range(rounds):
        groups, sums = rolled(w, 8, rng)
        given = sums if about == "prompts" else [part.sum(0, keepdims=True) for part in sums]
        seen = conflict(groups, given, target("pass@4"), about, np.inf)
        found.append([seen.seen.inner, seen.seen.norm_1, seen.seen.norm_k, *seen.seen.agreement_N])
    g1, g4 = w.gradient(1), w.gradient(4)
    if about == "prompts":
        truth = [g1 @ g4, g1 @ g1, g4 @ g4, *w.agreement_N]
    else:
        p, N = w.grad_p_ND, len(w.p_N)
        q = (4 * (1 - w.p_N) ** 3)[:, None] * p

        def off(a, b):
            return (N**2 * (a.mean(0) @ b.mean(0)) - (a * b).sum()) / (N * (N - 1))

        truth = [off(q, p), off(p, p), off(q, q), *((p @ p.sum(0) - (p * p).sum(1)) / (N - 1))]
    found = np.array(found)
    error = (found.mean(0) - truth) / (found.std(0) / np.sqrt(rounds))
    assert np.abs(error).max() < 4


def test_families_and_keys():
    w = world(N=8)
    groups, sums = rolled(w, 64, np.random.default_rng(0))
    found = conflict(groups, sums, target("pass@4"), "prompts", np.inf)
    of = {
        name: [a for g, a in zip(groups, found.seen.agreement_N, strict=True) if g.family == name]
        for name in found.of_family
    }
    assert set(of) == {"easy", "hard"}
    for name, scores in of.items():
        assert found.of_family[name] == pytest.approx(np.mean(scores))
    assert found.agreement == dict(zip([g.key for g in groups], found.seen.agreement_N, strict=True))
    assert found.bounds.k == list(range(1, 33))  # two folds of 32


@pytest.mark.parametrize("about", ["prompts", "distribution"])
def test_a_batch_without_signal_makes_no_k_safe(about):
    groups = [Rolled(f"p{x}", None, (), ((),) * 8, (float(x % 2),) * 8) for x in range(4)]
    found = conflict(
        groups, [np.zeros((2 if about == "prompts" else 1, 2, 4))] * 4, target("pass@4"), about, 4
    )
    assert found.inner.value == 0 and found.inner.se is None and found.inner.lo is None
    assert set(found.bounds.lower) == {None} and safe_k(found.bounds, 4, None) == 1


def test_rewards_that_are_neither_0_nor_1_are_refused():
    group = Rolled("a", None, (1,), ((2,), (3,)), (0.5, 1.0))
    with pytest.raises(InputError, match=r"found 0\.5: set measure_every = 0"):
        conflict([group], [np.zeros((1, 2, 4))], target("pass@1"), "distribution", 4)


def test_gradients_and_modes_are_given_back():
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout(0.5))
    model[1].eval()
    kept = model[0].weight.grad = torch.ones(2, 2)
    with undisturbed(model):
        assert model[0].weight.grad is None and not model.training
        model[0].weight.grad = torch.zeros(2, 2)
    assert model[0].weight.grad is kept and model.training and not model[1].training


def test_groups_are_consecutive_rows_of_one_prompt():
    rows = [Row("a", None, (1,), (i,), float(i)) for i in range(2)] + [
        Row("b", "f", (2,), (9,), float("nan"))
    ] * 2
    first, second = grouped(rows, 2)
    assert (
        first.rewards == (0.0, 1.0) and first.has_signal and second.responses == () and second.family == "f"
    )
    with pytest.raises(OutsideError, match="orders its rows in another way"):
        grouped(rows[1:3], 2)


def test_keys_tell_prompts_apart():
    assert key_of({"prompt_id": 7, "prompt": "a"}) == "7"
    a, b = ({"prompt": [{"role": "user", "content": text}]} for text in "ab")
    assert key_of(a) != key_of(b) and key_of(a) == key_of(dict(a))


def test_the_state_averages_and_forgets_what_is_unknown():
    w, state = world(N=8), State()
    groups, sums = rolled(w, 16, np.random.default_rng(0))
    found = conflict(groups, sums, target("pass@4"), "prompts", np.inf)
    state.take(found, 3, memory=0.5)
    first = state.inner
    assert (
        first == found.seen.inner and state.measured_at == 3 and set(state.agreement) == set(found.agreement)
    )
    state.inner = 0.0
    state.take(found, 4, memory=0.5)
    assert state.inner == pytest.approx(first / 2)
    one, _ = rolled(world(N=1), 16, np.random.default_rng(0))
    state.take(conflict(one, [sums[0]], target("pass@4"), "distribution", np.inf), 5, memory=0.5)
    assert state.inner is None and state.measured_at == 5
