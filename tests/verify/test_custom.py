"""Functions of users, as they are: called in processes of their own, whatever they do."""

import sys
from pathlib import Path

import pytest

from acute.errors import InputError
from acute.verify.custom import CustomVerifier
from acute.verify.item import Item

COLUMNS = {"prompt_id": "p0", "prompt": "2 + 2?", "family": "sums", "level": None, "completion_ids": [4]}
ITEMS = [Item(response, "4", "eos", "", COLUMNS) for response in ("4", "5")]


def verdicts(function, **settings):
    """What a function of `custom_functions` makes of a right and a wrong response."""
    name = function if ":" in function else f"tests.verify.custom_functions:{function}"
    verifier = CustomVerifier(name, **{"workers": 1, "timeout_s": 20, **settings})
    try:
        found = dict(verifier.check(ITEMS))
        return [found[place] for place in range(len(ITEMS))]
    finally:
        verifier.close()


@pytest.mark.parametrize(
    "function",
    [
        "plain",
        "of_columns",
        "trl_reward",
        "trl_async",
        "trl_named",
        "judge",
        "compute_score",
        "compute_score_dict",
    ],
)
def test_every_form_works_unchanged(function):
    assert verdicts(function) == [("ok", 1.0, None, None), ("ok", 0.0, None, None)]


def test_messages_where_they_are_asked_for():
    assert [v.reward for v in verdicts("trl_conversational", conversational=True)] == [1.0, 0.0]


def test_a_reward_function_of_trl_itself():
    pytest.importorskip("trl")
    found = verdicts("trl.rewards:think_format_reward", conversational=True, timeout_s=60, memory_mb=4096)
    assert [v.reward for v in found] == [0.0, 0.0]
    items = [Item("<think>\nso\n</think>\n4", "4", "eos", "", COLUMNS)]
    verifier = CustomVerifier("trl.rewards:think_format_reward", conversational=True, workers=1, timeout_s=60)
    try:
        assert next(iter(verifier.check(items)))[1].reward == 1.0
    finally:
        verifier.close()


@pytest.mark.parametrize(
    ("function", "detail"),
    [
        ("raises", "KeyError: 'no 4'"),
        ("exits", "SystemExit: 0"),
        ("leaves", "the worker process died: ended with status 0"),
        ("nan", "ValueError: wanted a finite reward, found nan"),
        ("word", "ValueError: could not convert string to float: 'right'"),
        ("trl_two", "ValueError: wanted one reward for one completion, found 2"),
        ("trl_none", "the function gave no reward (None)"),
        ("needs_more", "TypeError: it needs weather; there are answer, completion_ids, family, finish, "),
    ],
)
def test_a_failure_is_no_wrong_answer(function, detail):
    for verdict in verdicts(function):
        assert verdict[:3] == ("error", None, None)
        assert verdict.detail.startswith(detail)


def test_what_it_prints_is_lost():
    assert [v.reward for v in verdicts("prints")] == [1.0, 1.0]


def test_a_deadline_costs_one_row():
    right, late = verdicts("hangs", timeout_s=1)
    assert right == ("ok", 1.0, None, None)
    assert late == ("timeout", None, None, "no answer within 1 s")


def test_rewards_between_need_a_threshold():
    with pytest.raises(InputError, match=r"gave the reward 0\.5: wanted 0 or 1; set verify\.threshold"):
        half = [Item("45", "44", "eos", "", COLUMNS)]
        verifier = CustomVerifier("tests.verify.custom_functions:partial", workers=1, timeout_s=20)
        list(verifier.check(half))
    assert not verifier._pool.pids()


@pytest.mark.parametrize(("threshold", "rewards"), [(0.0, [1.0, 1.0]), (0.5, [1.0, 0.0]), (1.5, [0.0, 0.0])])
def test_a_threshold_counts_what_reaches_it(threshold, rewards):
    found = verdicts("partial", threshold=threshold)
    assert [v.reward for v in found] == rewards
    assert [v.detail for v in found] == ["reward 1", "reward 0"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tests.verify.custom_functions:not_there", "has no attribute 'not_there'"),
        ("no_such_module:f", f"no module 'no_such_module' in {Path.cwd()} or among what is .* {sys.prefix}"),
        ("tests.verify.needs_install:f", "ModuleNotFoundError: please pip install foo"),
        ("tests.verify.custom_functions:number", "wanted a function, found int"),
        ("tests.verify.custom_functions:no_form", r"wanted a function of .*, found \(x, y\)"),
    ],
)
def test_what_could_never_be_asked_is_refused_at_once(name, message):
    verifier = CustomVerifier(name, workers=1)
    with pytest.raises(InputError, match=f"{name}: .*{message}"):
        verifier.ready()
    verifier.close()


@pytest.mark.parametrize("conversational", [False, True])
def test_a_function_that_asks_for_no_prompt_needs_none(conversational):
    verifier = CustomVerifier(f"{__name__}:as_long", conversational=conversational, workers=1)
    found = dict(verifier.check([Item("17", "42", "eos"), Item("170", "42", "eos")]))
    verifier.close()
    assert {place: verdict[:2] for place, verdict in found.items()} == {0: ("ok", 1.0), 1: ("ok", 0.0)}


def as_long(completions, answer, **columns):
    assert "prompts" not in columns
    said = completions[0] if isinstance(completions[0], str) else completions[0][0]["content"]
    return [float(len(said) == len(answer[0]))]
