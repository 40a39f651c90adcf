"""Built-in prompts: the same seed the same prompts, all different, every answer right."""

import re
from math import prod

import pytest

from acute.errors import ConfigError
from acute.tasks.arithmetic import FAMILIES, MINUS, MULTIPLY, WORDS, draw
from acute.verify.short import short


def figures(text):
    return [int(number) for number in re.findall(r"\d+", text)]


def quoted(text):
    return re.search('"(.+)"', text)[1]


def boxes(question):
    """Boxes × pens each, less those given away."""
    count, each, away = figures(question)
    return count * each - away


# the answer, worked out from the question's text alone
ANSWERS = {
    "one-digit sum": lambda q: sum(figures(q)),
    "two-digit sum": lambda q: sum(figures(q)),
    "three-term sum": lambda q: sum(figures(q)),
    "one-digit product": lambda q: prod(figures(q)),
    "two-digit by one-digit product": lambda q: prod(figures(q)),
    "two-digit product": lambda q: prod(figures(q)),
    "two-digit difference": lambda q: figures(q)[0] - figures(q)[1],
    "plus means multiply": lambda q: prod(figures(q)),
    "plus means minus": lambda q: figures(q)[0] - figures(q)[1],
    "compare": lambda q: max(figures(q)),
    "last letter": lambda q: quoted(q)[-1],
    "count letters": lambda q: len(quoted(q)),
    "word problem": boxes,
}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_answer_is_right_and_can_be_found(family):
    for row in draw((family,), 30, 0):
        wanted = str(ANSWERS[family](row["prompt"]))
        assert row["answer"] == wanted
        assert short(f" {wanted}.\n", row["answer"], "eos").reward == 1
        assert figures(row["prefill"]) in ([], figures(row["prompt"]))  # nothing of the answer is given


def test_differences_are_not_negative():
    for family in ("two-digit difference", "plus means minus"):
        assert all(int(row["answer"]) >= 0 for row in draw((family,), 40, 0))


def test_all_prompts_are_different():
    rows = draw(None, 20, 0)
    assert len(rows) == 20 * len(FAMILIES)
    for key in ("prompt_id", "prompt"):
        assert len({row[key] for row in rows}) == len(rows)


def test_the_seed_makes_the_prompts():
    assert draw(None, 5, 0) == draw(None, 5, 0)
    assert draw(None, 5, 0) != draw(None, 5, 1)


def test_a_family_is_the_same_alone_and_longer():
    assert draw(("compare",), 5, 0) == [r for r in draw(None, 5, 0) if r["family"] == "compare"]
    assert draw(("compare",), 9, 0)[:5] == draw(("compare",), 5, 0)


def test_a_family_named_twice_is_drawn_once():
    assert draw(("compare", "compare"), 3, 0) == draw(("compare",), 3, 0)


def test_the_whole_of_a_small_family_can_be_drawn():
    assert len(draw(("one-digit sum",), 81, 0)) == 81
    assert len(draw(("last letter",), len(WORDS), 0)) == len(set(WORDS))


def test_more_prompts_than_there_are_is_refused():
    with pytest.raises(ConfigError, match="'one-digit sum' has about 81 different prompts, wanted 82"):
        draw(("one-digit sum",), 82, 0)


def test_an_unknown_family_is_named():
    with pytest.raises(ConfigError, match=r"wanted some of one-digit sum, .* found 'sums'"):
        draw(("sums",), 3, 0)


@pytest.mark.parametrize("wording", [*MULTIPLY, *MINUS])
def test_an_override_states_its_rule_before_it_asks(wording):
    rule, asked = wording.split("{a}", 1)
    assert re.search("multipl|times|product|minus|subtraction|[*]", rule)
    assert asked.startswith(" + {b}")
