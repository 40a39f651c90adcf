"""A vote among many answers: by definition, and unbiased by exact enumeration."""

from collections import Counter
from itertools import product

import numpy as np
import pytest
import torch

from acute.core.advantages.votes import majority_vote
from acute.core.objectives import majority
from acute.core.prompt_weight import outcome_advantages, prompt_weight
from acute.errors import ConfigError, InputError
from tests.core.worlds import numeric_gradient

REWARD = {"a": 1.0, "b": 0.0, "c": 0.25, "d": 0.0}
LETTERS = np.array(list(REWARD))


def vote(answers):
    counts = Counter(answers)
    most = max(counts.values())
    return np.mean([REWARD[x] for x, c in counts.items() if c == most])


def rewards_of(answers):
    return np.array([REWARD[x] for x in answers])


@pytest.mark.parametrize("n", [2, 3, 4])
def test_by_definition(n):
    for answers in product(LETTERS, repeat=n):
        answers = list(answers)
        want = [n * (vote(answers) - vote(answers[:i] + answers[i + 1 :])) for i in range(n)]
        assert majority_vote(rewards_of(answers), answers) == pytest.approx(want)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_unbiased_for_the_vote(n):
    logits = np.array([0.3, 0.8, -0.2, 0.1])

    def law(x):
        return np.exp(x) / np.exp(x).sum()

    def value(x):
        pi = law(x)
        return sum(np.prod(pi[list(y)]) * vote(LETTERS[list(y)]) for y in product(range(4), repeat=n))

    pi, update = law(logits), np.zeros(4)
    for y in product(range(4), repeat=n):
        y = list(y)
        a = majority_vote(rewards_of(LETTERS[y]), LETTERS[y])
        update += np.prod(pi[y]) * (a @ (np.eye(4)[y] - pi)) / n
    assert update == pytest.approx(numeric_gradient(value, logits), abs=1e-9)


@pytest.mark.parametrize("n", [3, 5, 7])
def test_with_one_wrong_answer_it_is_the_majority_objective(n):
    p = np.array([0.1, 0.4, 0.8])
    found = prompt_weight(outcome_advantages(lambda r: majority_vote(r, r), n), p)
    assert found == pytest.approx(majority(n).weight(p))


def test_many_groups_and_tensors():
    answers = np.array([list("aab"), list("bcc"), list("ddd")])
    rewards = np.vectorize(REWARD.get)(answers)
    each = [majority_vote(r, a) for r, a in zip(rewards, answers, strict=True)]
    assert majority_vote(rewards, answers) == pytest.approx(np.array(each))
    tensor = majority_vote(torch.as_tensor(rewards), answers)
    assert isinstance(tensor, torch.Tensor) and tensor.numpy() == pytest.approx(np.array(each))


def test_refusals():
    with pytest.raises(InputError, match=r"shape of the rewards, \(3,\), found \(2,\)"):
        majority_vote([1, 0, 0], ["a", "b"])
    with pytest.raises(ConfigError, match="groups of 2 or more"):
        majority_vote([1], ["a"])
