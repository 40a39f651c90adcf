"""The verifier `math` whole: right, wrong, wrong form, time-out and error are five things."""

import json
import re

import pytest

pytest.importorskip("math_verify", reason="not run: math-verify is not installed")

from acute.verify.final_answer import final_answer
from acute.verify.item import Item
from acute.verify.math import MathVerifier, versions
from tests.verify.variants import HAND, corruptions, gsm8k, math500, variants


@pytest.fixture(scope="module")
def verifier():
    made = MathVerifier(workers=2, timeout_s=30)
    yield made
    made.close()


GOLDS = {"by hand": HAND, "MATH-500": math500()}
SETS = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(golds is None, reason=f"not run: {name} is not in ../shared/data"),
        id=name,
    )
    for name, golds in GOLDS.items()
]


@pytest.mark.parametrize("name", SETS)
def test_every_gold_answer_scores_against_itself_and_its_spellings(name, verifier):
    pairs = [(gold, spelling) for gold in GOLDS[name] for spelling in variants(gold)]
    assert len(pairs) > 8 * len(GOLDS[name])
    before = verifier.pairs["algebra"]
    found = dict(verifier.decide(list(dict.fromkeys(pairs))))
    assert [pair for pair, verdict in found.items() if verdict.reward != 1.0] == []
    assert verifier.pairs["algebra"] == before  # no algebra is needed to see it


@pytest.mark.parametrize("name", SETS)
def test_no_corruption_scores(name, verifier):
    golds = GOLDS[name]
    pairs = []
    for i, gold in enumerate(golds):
        wrong = corruptions(gold, golds[i - 1 :: -1] + golds[:0:-1])
        assert len(wrong) == 10
        pairs += [(gold, answer) for answer in wrong]
    found = dict(verifier.decide(list(dict.fromkeys(pairs))))
    assert [(pair, verdict) for pair, verdict in found.items() if verdict.reward != 0.0] == []


def test_every_answer_of_gsm8k_is_found_and_right(verifier):
    worked = gsm8k()
    if worked is None:
        pytest.skip("not run: GSM8K is not in ../shared/data")
    items = [Item(text, re.search(r"#### (.*)", text)[1], "eos") for text in worked]
    found = dict(verifier.check(items))
    assert {verdict[:2] for verdict in found.values()} == {("ok", 1.0)}
    assert len(found) == 1319


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        (r"3\sqrt{13}", r"\sqrt{117}"),
        (r"\frac{\sqrt{3}}{3}", r"\frac{1}{\sqrt{3}}"),
        (r"(a+5)(b+2)", "ab+2a+5b+10"),
        (r"\cot x", r"\frac{\cos x}{\sin x}"),
        (r"\frac{\pi}{2}", r"\pi/2"),
        (r"5x - 7y + 11z + 4 = 0", "7y - 5x - 11z = 4"),
        (r"\sqrt[3]{2}", "2^{1/3}"),
        (r"\left[ \frac{\pi^2}{8}, \frac{5 \pi^2}{4} \right]", r"[\pi^2/8, 1.25\pi^2]"),
        ("2^{10}", "1024"),
        ("6r^2-4r-24", "2(3r^2-2r-12)"),
        (r"\binom{5}{2}", "10"),
        (r"42\sqrt[3]{2}", r"\frac{2(42)}{2}\sqrt[3]{2}"),  # math-verify alone reads 2(42) as 44
        (r"\frac{20000}{\pi}", r"20000/\pi"),
        ("2i", r"2 \cdot i"),  # math-verify alone takes these for two letters
        ("-i", r"\frac{1}{i}"),
        (r"e^{i\pi}", "-1"),
    ],
)
def test_algebra_sees_what_is_equal(gold, answer, verifier):
    assert next(iter(verifier.decide([(gold, answer)])))[1] == ("ok", 1.0, answer, None)


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("x=5", "y=5"),
        (r"\sqrt[3]{2}", "1.259921"),
        (r"\frac{\pi}{2}", r"\pi/3"),
        (r"\cot x", r"\tan x"),
        ("(x+1)^{3}", r"x^3+1"),
        (r"e^{i\pi}", "1"),
        (r"1 \le i \le n", r"2 \le i \le n"),
    ],
)
def test_algebra_sees_what_is_not(gold, answer, verifier):
    assert next(iter(verifier.decide([(gold, answer)])))[1] == ("ok", 0.0, answer, None)


def test_five_ends():
    quick = MathVerifier(workers=1, timeout_s=3)  # one never ends; those that do have time on a busy machine
    items = [
        Item(r"\boxed{0.5}", r"\frac12", "eos"),
        Item(r"\boxed{2}", r"\frac12", "eos"),
        Item("no answer", r"\frac12", "eos"),
        Item(r"\boxed{see above: \x}", r"\frac12", "eos"),
        Item(r"\boxed{10^{10^{10^{10}}}}", r"\frac12", "eos"),
        Item(r"\boxed{5}", r"\frac{1}{", "eos"),
        Item(r"The answer is 0.5", r"\frac12", "length"),
        Item("0.5}", r"\frac12", "eos", r"The answer is \boxed{"),
    ]
    found = dict(quick.check(items))
    quick.close()
    assert [found[i][:3] for i in range(len(items))] == [
        ("ok", 1.0, "0.5"),
        ("ok", 0.0, "2"),
        ("wrong_form", 0.0, None),
        ("wrong_form", 0.0, r"see above: \x"),
        ("timeout", None, "10^{10^{10^{10}}}"),
        ("error", None, "5"),
        ("wrong_form", 0.0, None),
        ("ok", 1.0, "0.5"),
    ]
    assert found[4].detail == "no answer within 3 s"
    assert found[5].detail == "the gold answer is no formula that can be read"


def test_equal_pairs_are_decided_once(verifier):
    before = verifier.pairs.copy()
    items = [Item(f"{i}: \\boxed{{\\sqrt{{28}}}}", r"2\sqrt{7}", "eos") for i in range(50)]
    assert {v.reward for _, v in verifier.check(items)} == {1.0}
    assert verifier.pairs - before == {"algebra": 1}
    assert {v.reward for _, v in verifier.check(items)} == {1.0}
    assert (verifier.pairs - before)["cached"] == 1


def test_what_decided_is_said(verifier):
    assert set(versions()) == {
        "rules",
        "math-verify",
        "latex2sympy2_extended",
        "antlr4-python3-runtime",
        "sympy",
        "mpmath",
    }
    assert None not in versions().values()
    assert verifier.facts()["versions"] == versions()
    json.dumps(verifier.facts())


def test_a_gold_answer_in_a_box_reads_as_itself():
    for gold in HAND:
        assert final_answer(f"So \\boxed{{{gold}}}.", 0, False) == gold
