"""An answer is right for what it says as a whole, not for a part that algebra can read."""

import pytest

pytest.importorskip("math_verify", reason="not run: math-verify is not installed")

from acute.verify.item import Item
from acute.verify.math import MathVerifier
from acute.verify.overlooked import overlooked
from acute.verify.units import amount, is_unit
from tests.verify.pretenders import PRETENDERS, RIGHT


@pytest.fixture(scope="module")
def verifier():
    verifier = MathVerifier(workers=1, timeout_s=20)
    yield verifier
    verifier.close()


def rewards(verifier, pairs):
    items = [Item(f"So it is \\boxed{{{answer}}}.", gold, "eos") for gold, answer in pairs]
    found = dict(verifier.check(items))
    assert all(found[i].outcome in ("ok", "wrong_form") for i in range(len(pairs)))
    return {pair: found[i].reward for i, pair in enumerate(pairs)}


def test_pretenders_do_not_pass(verifier):
    assert len({(p.gold, p.answer) for p in PRETENDERS}) == len(PRETENDERS) >= 60
    found = rewards(verifier, [(p.gold, p.answer) for p in PRETENDERS])
    assert [pair for pair, reward in found.items() if reward != 0.0] == []


def test_right_answers_of_nearly_the_same_form_pass(verifier):
    assert [pair for pair, reward in rewards(verifier, RIGHT).items() if reward != 1.0] == []


@pytest.mark.parametrize(
    ("response", "gold", "right"),
    [
        ("The answer is $5$ or $6$.", "5", 0.0),
        ("The answer is $5$, or maybe $6$.", "5", 0.0),
        (r"The answer is \(5\), \(6\).", "5", 0.0),
        ("The answer is $5$ and $6$.", "5,6", 1.0),
        ("The answer is $3$, $5$, and $7$.", "3,5,7", 1.0),
        ("The answer is $5$ and we are done.", "5", 1.0),
        ("The answer is $5$, as $2 + 3 = 5$.", "5", 1.0),
    ],
)
def test_formulas_that_are_joined_are_one_answer(verifier, response, gold, right):
    assert dict(verifier.check([Item(response, gold, "eos")]))[0].reward == right


def test_what_algebra_would_drop_is_named():
    assert overlooked("5", r"5\text{ or six}") == "the text 'or six'"
    assert overlooked("f'(x)", "f(x)") == 'no "\'"'
    assert overlooked("x", r"x\text{a{b}}") == "a text with brackets in it"
    assert overlooked(r"5\text{ or six}", r"\text{or six} 5") is None
    assert overlooked("x_1", "x_2") is None  # a letter's index is part of its name


@pytest.mark.parametrize(
    "text", ["cm", " sq. ft.", "m/s^2", "apples", "miles per hour", "(square units)", "cm3"]
)
def test_units(text):
    assert is_unit(text)


@pytest.mark.parametrize(
    "text", ["", "6", "or", "e3", "i", "and a half", "/2", ".5", "!", "halves", "two-thirds"]
)
def test_no_units(text):
    assert not is_unit(text)


def test_factors_are_parted_from_units():
    assert amount("5 million dollars") == ("5", "dollar", 10**6, False)
    assert amount("5 feet squared").unit == "ft2"
    assert amount("2ab").head == "2ab"
    assert amount("5 per cent") == ("5", None, 1, True)
