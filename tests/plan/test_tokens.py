"""What is fed, against the passes that the engine plans."""

from importlib import import_module

import numpy as np
import pytest

from acute.core import parts
from acute.gradients.engines import Passes, Task, _plan, _tokens, _up_to_scale
from acute.plan import times, whole, work
from acute.plan.tokens import Load, scoring
from acute.rollout.hf import Sampling
from acute.verify.kinds import KINDS


def planned(task, passes):
    """Tokens forward and backward, sketched gradients, longest pass: as the engine would run them."""
    share_BU, _, _ = _up_to_scale(task.counts_GU)
    plan = _plan(task, share_BU, passes)
    each = [_tokens(task, one.responses, passes.share) for one in plan]
    back = sum(tokens * len(one.groups) for tokens, one in zip(each, plan, strict=True))
    return sum(each), back, sum(len(one.groups) for one in plan), max(each)


def different(n, r, q, groups=4):
    """n responses of r tokens that share nothing, dealt to the groups in turn."""
    counts = np.zeros((groups, n))
    counts[np.arange(n) % groups, np.arange(n)] = 1
    return Task(tuple(range(q)), [(1000 * i, *range(1, r)) for i in range(n)], counts)


@pytest.mark.parametrize(
    ("n", "r", "q", "at_once"),
    [(8, 256, 128, 1024), (32, 2, 50, 4096), (32, 200, 50, 100), (64, 30, 40, 512)],
)
def test_the_same_as_the_engine_plans(n, r, q, at_once):
    forward, backward, folds, longest = planned(different(n, r, q), Passes(tokens=at_once))
    # the engine never feeds a response's last token
    found = scoring(Load(1, n, q, r - 1), 4, at_once)
    assert found.forward == pytest.approx(forward, rel=0.15)
    assert found.backward == pytest.approx(backward, rel=0.15)
    assert found.folds == pytest.approx(folds, rel=0.35)
    assert found.longest == pytest.approx(longest, rel=0.25)


def test_responses_that_begin_alike_are_fed_once():
    one = scoring(Load(1, 64, 50, 4, distinct=0.1), 4, 1024)
    assert one.forward == 50 + 0.1 * 64 * 4
    assert (one.backward, one.folds) == (4 * one.forward, 4)


def test_rows_of_a_trainer_hold_the_prompt_each_time():
    assert Load(3, 8, 10, 5).rows == 3 * 8 * 15


def test_limits_are_those_of_the_program():
    assert import_module("acute.stages.analyse").KERNEL_PROMPTS == whole.KERNEL_PROMPTS
    assert work.OTHERS == parts.MOST
    assert Sampling(n=1, temperature=1, top_p=1, max_tokens=1).rows_at_once == times.ROWS_AT_ONCE
    assert set(times.VERIFY_S) <= set(KINDS)
