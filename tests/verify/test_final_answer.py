"""Where a response states its answer, and where it does not."""

import time

import pytest

from acute.verify.final_answer import final_answer

STATED = [
    (r"so \boxed{42}.", "42"),
    (r"\boxed{1} and then \boxed{2}", "2"),
    (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
    (r"\boxed{\{1,2\}}", r"\{1,2\}"),
    (r"\boxed{a \\ {b}}", r"a \\ {b}"),
    (r"\boxed {7}", "7"),
    (r"\fbox{7}", "7"),
    (r"\boxed{5} but \boxed{6", "5"),
    (r"} \boxed{5}", "5"),
    (r"{ \boxed{5}", "5"),
    (r"\boxed{5}. The answer is 6.", "5"),
    (r"\boxed{\boxed{5}}", r"\boxed{5}"),
    ("The answer is 42.", "42"),
    ("The answer is 4.25.", "4.25"),
    ("The final answer is $\\frac{1}{2}$. I hope it is correct.", r"\frac{1}{2}"),
    ("Final Answer: The final answer is $7$", "7"),
    ("The answer is $$7$$ and more", "7"),
    (r"The answer is \(x+1\), by hand", "x+1"),
    (r"The answer is \[x+1\]", "x+1"),
    ("Answer: **12**", "12"),
    ("ANSWER : 12", "12"),
    ("answer is: 12", "12"),
    ("The answer is (3, 4)\nDone", "(3, 4)"),
    ("The answer is 1,234 because we add", "1,234"),
    ("The answer is Evelyn, who ran. No: the answer is Bob!", "Bob"),
    ("9 * 2 = 18\n#### 18", "18"),
    ("#### 1,000\nmore text", "1,000"),
    ('The answer is "east".', "east"),
    ("The answer is $5", "$5"),
]
NOT_STATED = [
    "",
    "42",
    "The answers are 4",
    r"\boxed{",
    r"\boxed{5",
    r"\boxed{}",
    "The answer is",
    "####",
    "}}{{",
]


@pytest.mark.parametrize(("text", "found"), STATED)
def test_the_last_statement_counts(text, found):
    assert final_answer(text, 0, False) == found


@pytest.mark.parametrize("text", NOT_STATED)
def test_no_statement_no_answer(text):
    assert final_answer(text, 0, False) is None


@pytest.mark.parametrize(
    "text", ["The answer is 42", "#### 4", "Answer: $42", r"\boxed{5} so \boxed{6", "x 42"]
)
def test_cut_off_at_its_answer_it_may_have_gone_on(text):
    assert final_answer(text, 0, True, "last-number") is None
    assert final_answer(text, 0, False, "last-number") is not None


@pytest.mark.parametrize(
    "text", [r"\boxed{42} and", "The answer is 42. And", "#### 42\n", "The answer is $42$"]
)
def test_cut_off_later_it_stands(text):
    assert final_answer(text, 0, True) == "42"


def test_a_prefilled_beginning_may_open_the_statement_but_not_be_it():
    prefill = r"The answer is \boxed{"
    assert final_answer(prefill + "7}", len(prefill), False) == "7"
    shown = r"Example: \boxed{3}. The answer is 3. Now:"
    assert final_answer(shown + " I see 5", len(shown), False) is None
    assert final_answer(shown + r" \boxed{5}", len(shown), False) == "5"
    assert final_answer("The answer is 1" + "2.", 15, False) == "12"


def test_without_a_statement_the_settings_decide():
    text = "First 3, then 1,234.5 pens."
    assert final_answer(text, 0, False, "last-number") == "1,234.5"
    assert final_answer(text, 0, False, "whole") == "First 3, then 1,234.5 pens."
    assert final_answer(" 7\n", 0, False, "whole") == "7"
    assert final_answer("no figure", 0, False, "last-number") is None
    assert final_answer("x = -3/4", 0, False, "last-number") == "-3/4"
    assert final_answer("ab12", 2, False, "whole") == "12"
    assert final_answer("12", 0, True, "whole") is None


@pytest.mark.parametrize(
    "unit",
    [r"\boxed{", "{", "}", r"\boxed{}", "answer is ", "####", "$", r"\(", "\\", "1,", "1", " so", ". ", "*"],
)
def test_time_grows_with_the_length_alone(unit):
    def seconds(size):
        text = "answer is " + unit * (size // len(unit)) + "\x00"
        started = time.process_time()
        for fallback in ("none", "last-number", "whole"):
            final_answer(text, 0, False, fallback)
        return time.process_time() - started

    assert seconds(1_000_000) / max(min(seconds(50_000) for _ in range(3)), 1e-4) < 100
