"""The strict rule for a final answer: what scores, what does not, and that nothing can break it."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acute.verify.short import is_short, short

# response, answer: right
RIGHT = [
    ("4", "4"),
    (" 4.", "4"),
    ("4.\n\nThe sum of two numbers", "4"),
    ("71\r\nWhat is", "71"),
    (" 5 pens.", "5"),
    ("71, because we add them", "71"),
    ("71! Well done", "71"),
    ("1,234", "1234"),
    ("$1,234", "1234"),
    ("$1,234.50", "1234.5"),
    ("-7", "-7"),
    ("−7", "-7"),
    ("-$7", "-7"),
    ("007", "7"),
    ("12", " 12"),
    ("**71**", "71"),
    ("$5$", "5"),
    ('e".', "e"),
    ('e"', "e"),
    ('E" is the last letter.', "e"),
    ('"e" is the last letter', "e"),
    ("YES, of course", "yes"),
    ("The answer is 42.", "42"),
    ("The answer is: **42**", "42"),
    ("Answer: 42", "42"),
    ("We add.\n#### 42", "42"),
    ("so \\boxed{7}", "7"),
    ("\\boxed{\\$1,234} dollars", "1234"),
    ("The answer is \\boxed{7}.", "7"),
    ("The answer is 4. No: the answer is 5.", "5"),
    ("17. The answer is 5", "5"),
]
WRONG_FORM = [
    "2^8 = 4^x",
    "4^x",
    "6 + 2 = 8",
    "6 * 2 = 12",
    "6 x 2 = 12",
    "6 plus two",
    "6 and 2 make 8",
    "6 times two",
    "6! = 720",
    "5**3",
    "(5)*3",
    "5:3",
    "5/3",
    "5 or 6",
    "5 million",
    "3,4",
    "1,2345",
    "1, 2, 3",
    "1. First, add the tens",
    "1) First",
    "1.5.2",
    "10x",
    "1e5",
    "4²",
    "٧",
    "4\x00",
    "23\n+ 48\n= 71",
    "7 8",
    "- 5",
    "--5",
    ".5",
    "",
    " \n",
    "The sum is 5",
    "The answer is a number",  # not the letter a
    "The answer is not 5",
    "The answer isotope",
    "The answer is 5 because 2 and 3 make it",
    "The answer is 4. The answer is \\frac{1}{2}",
    "5 is my guess: \\boxed{\\frac{1}{2}}",
    "\\boxed{7",
    "\\boxed{2^3}",
    "green tea",
    "e\u0301",
]


@pytest.mark.parametrize(("response", "answer"), RIGHT)
def test_right(response, answer):
    assert short(response, answer, "eos")[:2] == ("ok", 1.0)


@pytest.mark.parametrize("response", WRONG_FORM)
def test_no_answer_in_the_form(response):
    assert short(response, "4", "eos") == ("wrong_form", 0.0, None, None)


@pytest.mark.parametrize(
    ("response", "answer", "found"),
    [
        ("10", "1", "10"),
        ("1.5", "1", "1.5"),
        ("12.", "1", "12"),
        ("-4", "4", "-4"),
        ("5", "five", "5"),
        ("nan", "inf", "nan"),
        ("inf", "infinity", "inf"),
        ("The answer is 4. The answer is 5.", "4", "5"),
    ],
)
def test_another_answer_is_in_form_but_wrong(response, answer, found):
    assert short(response, answer, "eos") == ("ok", 0.0, found, None)


def test_words_that_python_reads_as_numbers_are_words():
    assert short("nan", "NaN", "eos").reward == 1


@pytest.mark.parametrize("response", ["4", "4.", "4 ", "4,", "4 pens", "4)", "The answer is 4", "#### 4"])
def test_cut_off_at_the_answer_it_may_have_gone_on(response):
    assert short(response, "4", "length") == ("wrong_form", 0.0, None, None)
    assert short(response, "4", "eos").reward == 1


@pytest.mark.parametrize("response", ["4\n", "4. The", "4 pens, so", "\\boxed{4}", "#### 4\n#"])
def test_cut_off_later_it_stands(response):
    assert short(response, "4", "length").reward == 1


def test_a_letter_in_quotes_is_whole_where_it_is_cut_off():
    assert short('e"', "e", "length").reward == 1
    assert short("e", "e", "length").reward == 0


@pytest.mark.parametrize("answer", ["7", "-1,234.50", " 7", "yes", "É"])
def test_answers_that_can_be_found(answer):
    assert is_short(answer)
    assert short(answer, answer, "eos").reward == 1


@pytest.mark.parametrize("answer", ["", "New York", "1/2", "x^2", "3,4", "e.", "1e5", "٧"])
def test_answers_that_could_never_score(answer):
    assert not is_short(answer)


PIECES = st.sampled_from(
    [
        "4",
        "e",
        "1,234",
        " ",
        "\n",
        ".",
        '"',
        "'",
        "*",
        "**",
        "$",
        "-",
        "answer is",
        "\\boxed{",
        "}",
        "####",
        "=",
    ]
)
TEXT = st.one_of(st.text(), st.lists(PIECES).map("".join))


@given(TEXT, TEXT, st.sampled_from(["eos", "stop", "length"]))
def test_whatever_is_said_gets_a_verdict(response, answer, finish):
    outcome, reward, found, _ = short(response, answer, finish)
    assert (outcome, found is None) in {("ok", False), ("wrong_form", True)}
    assert reward in ((0.0, 1.0) if outcome == "ok" else (0.0,))
    assert found is None or found in response


@given(TEXT)
def test_cutting_off_only_takes_answers_away(response):
    whole, cut = short(response, "4", "eos"), short(response, "4", "length")
    assert cut in (whole, ("wrong_form", 0.0, None, None))


def seconds(text):
    started = time.process_time()
    short(text, "4", "eos")
    return time.process_time() - started


@pytest.mark.parametrize(
    "unit",
    [" ", "4", "4,", "1,234", "a", "*", "4 ", "\n", "answer is ", "answer is", "\\boxed{", "#", "4 a", '"'],
)
def test_time_grows_with_the_length_alone(unit):
    """Twenty times the text takes about twenty times as long; a pattern that backtracks takes 400 times."""
    for start in ("", "answer is", "4", "4 pens"):
        small, large = (start + unit * (size // len(unit)) + "\x00" for size in (50_000, 1_000_000))
        ratio = seconds(large) / max(min(seconds(small) for _ in range(3)), 1e-4)
        assert ratio < 100, (start, ratio)
