"""Tasks of reasoning-gym: drawn by seed, graded by themselves, the broken ones refused by name."""

import json

import pytest

from acute.errors import ConfigError
from acute.tasks.gym import REFUSED, UNREADABLE, graded, gym_rows
from acute.tasks.source import Source, prompt_rows

pytest.importorskip("reasoning_gym")
TRIED = ["chain_sum", "basic_arithmetic", "gcd", "countdown", "spell_backward", *UNREADABLE]


@pytest.mark.parametrize("task", TRIED)
def test_grades(task):
    rows = gym_rows(task, 4, seed=1)
    for row in rows:
        own = json.loads(row["answer"])["answer"]
        assert graded(f"<answer>7</answer> no: <answer> {own} </answer>.", row["answer"]) == 1.0
        assert graded(own, row["answer"]) == 1.0
        for senseless in ("", "zzz", "{}", f"<answer>zzz</answer> {own}"):
            assert graded(senseless, row["answer"]) == 0.0


def test_the_same_seed_the_same_prompts():
    assert gym_rows("gcd", 3, 1) == gym_rows("gcd", 3, 1) != gym_rows("gcd", 3, 2)
    rows = prompt_rows(Source("reasoning-gym:gcd", per_family=3), 1, True)
    assert rows == gym_rows("gcd", 3, 1)
    assert len({row["prompt_id"] for row in rows}) == 3
    assert rows[0]["verify"] == "acute.tasks.gym:graded"


@pytest.mark.parametrize("task", REFUSED)
def test_broken_tasks_are_refused_by_name(task):
    with pytest.raises(ConfigError, match=f"reasoning-gym's {task} is not taken: "):
        gym_rows(task, 1, 0)


def test_an_unknown_task_is_refused():
    with pytest.raises(ConfigError, match=r"wanted a task of reasoning-gym .*chain_sum.*found 'chain_sums'"):
        gym_rows("chain_sums", 1, 0)


def test_part_marks_count_as_wrong():
    """letter_counting and its like grade in between; pass@k knows right and wrong."""
    row = gym_rows("countdown", 1, seed=1)[0]
    assert graded("<answer>1 + 1</answer>", row["answer"]) == 0.0
