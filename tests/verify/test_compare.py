"""What is decided without computer algebra: right, wrong, and "algebra must tell" (None)."""

import time
from fractions import Fraction
from operator import add, mul, truediv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acute.verify import values
from acute.verify.compare import compare, for_algebra
from acute.verify.latex import spelled, squeezed
from acute.verify.numbers import Long, number
from acute.verify.values import equal_value

NINES = "9" * 10**6

EQUAL = [
    # spellings
    (r"\frac{1}{2}", r"\dfrac12"),
    (r"\frac{1}{2}", r"\tfrac 1 2"),
    (r"\frac{1}{2}", r"$\frac{1}{2}$"),
    (r"\frac{1}{2}", r"\boxed{\frac{1}{2}}."),
    (r"\left( 3, \frac{\pi}{2} \right)", r"(3,\frac\pi2)"),
    (r"3\sqrt{13}", r"3 \sqrt {13}"),
    (r"11\sqrt2", r"11\sqrt{2}"),
    (r"2\pi", "2π"),
    (r"2\pi", "2pi"),
    (r"2\sqrt{3}", "2sqrt(3)"),
    (r"x^{2}", "x^2"),
    (r"(2,\infty)", "(2, ∞)"),
    (r"\emptyset", r"\varnothing"),
    (r"-3", "−3"),
    # numbers
    ("0.5", r"\frac{1}{2}"),
    (".5", "0.50"),
    ("007", "7"),
    ("-0", "0"),
    ("1\\frac{4}{5}", "9/5"),
    ("-1\\frac{4}{5}", "-1.8"),
    (r"\frac{-1}{2}", "-0.5"),
    ("137 \\frac{1}{2}", "137.5"),
    ("10,\\!080", "10080"),
    ("11,\\! 111,\\! 111,\\! 100", "11111111100"),
    ("58,500", "58{,}500"),
    ("58,500", "58 500"),
    ("1,000.50", "1000.5"),
    (".0000672", r"6.72 \times 10^{-5}"),
    ("1e3", "1000"),
    ("5000000", "5 million"),
    (NINES, NINES + ".0"),
    (NINES, "0" + NINES),
    # per cent
    (r"10\%", "10"),
    (r"10\%", "0.1"),
    ("0.1", r"10\%"),
    ("40", r"40\%"),
    ("40", "40 percent"),
    # units and money
    (r"864 \mbox{ inches}^2", "864"),
    (r"864 \mbox{ inches}^2", "864 square inches"),
    (r"15\mbox{ cm}^2", r"15 \text{ cm}^2"),
    (r"5.4 \text{ cents}", "5.4"),
    ("12", "12 apples"),
    (r"\$18.90", "18.9"),
    (r"90^\circ", "90"),
    (r"90^\circ", "90 degrees"),
    (r"\frac{270}7\text{ degrees}", r"\frac{270}{7}^{\circ}"),
    # variables
    ("x=5", "5"),
    ("5", "x = 5"),
    ("y = 2x + 3", "2x+3"),
    ("5", "2 + 3 = 5"),
    (r"f(x) = x^2", "x^2"),
    # choices and words
    (r"\text{(C)}", "C"),
    (r"\text{(C)}", "(c)"),
    ("(C)", "C) 12 apples"),
    ("A", "A."),
    ("A", r"\text{A}"),
    (r"\text{A}", "A: because"),
    (r"\text{Evelyn}", "evelyn"),
    (r"\text{ellipse}", "an ellipse"),
    (r"\text{east}", r"\textbf{East}"),
    # lists, sets, points, intervals, vectors
    ("1,-2", "-2, 1"),
    ("3, 5, 7", r"7, 5 \text{ and } 3"),
    (r"\{1,2\}", "2, 1"),
    ("1,-2", "x=1, x=-2"),
    (r"1 \pm \sqrt{19}", r"1-\sqrt{19}, 1+\sqrt{19}"),
    (r"\{1\pm\sqrt{5},-2\}", r"\{-2, 1+\sqrt5, 1-\sqrt5\}"),
    ("(1,2)", r"\left(1.0,\ 2\right)"),
    ("(1,2)", "1, 2"),
    ("[0,1)", r"0 \le x < 1"),
    ("[0,1)", r"1 > t \geq 0"),
    (r"(-\infty,2]", r"x \leqslant 2"),
    (r"(2,\infty)", "x > 2"),
    (r"(2,\infty)", "2 < x"),
    (r"x \in [-2,7]", r"-2 \le x \le 7"),
    (r"(-\infty, 2) \cup (3, \infty)", "x < 2 or x > 3"),
    (r"\begin{pmatrix} -1/3 \\ 2/3 \end{pmatrix}", r"\begin{bmatrix} -\frac13 \\ \frac23 \end{bmatrix}"),
    ("52_8", "52_{8}"),
]
DIFFERENT = [
    ("5", ".5"),
    ("5", "6"),
    ("5", "-5"),
    ("5", "50"),
    ("5", ""),
    (r"\frac{1}{3}", "0.333"),
    (r"\frac{1}{3}", "0.3333333333333333"),
    (r"\sqrt{2}", "1.41421356"),
    ("1\\frac{4}{5}", r"\frac{4}{5}"),
    (NINES, NINES[:-1] + "8"),
    (NINES, "5"),
    ("5", NINES),
    (r"10\%", "1000"),
    (r"10\%", "1"),
    ("10", r"0.1\%"),
    (r"5.4 \text{ cents}", "5.4 dollars"),
    (r"15\mbox{ cm}^2", r"15 \text{ m}^2"),
    ("x=5", "x=6"),
    (r"\text{(C)}", "B"),
    (r"\text{(C)}", "12"),
    ("A", "B) 5"),
    (r"\text{Evelyn}", "Navin"),
    (r"\text{Evelyn}", "Evelyn Navin"),
    (r"\text{even}", "7"),
    ("23", "2 3"),
    ("1,-2", "1,2"),
    ("1,-2", "1"),
    ("1", "1,-2"),
    ("3,5,7", "3,5"),
    ("3,5", "3,5,7"),
    ("(1,2)", "(2,1)"),
    ("(1,2)", "(1,2,3)"),
    ("[0,1)", "[0,1]"),
    ("[0,1)", "(0,1)"),
    ("[0,1)", r"0 < x < 1"),
    (r"(2,\infty)", "x < 2"),
    (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", r"\begin{pmatrix} 2 \\ 1 \end{pmatrix}"),
    ("52_8", "52"),
    ("52_8", "42"),
    ("52_8", "52_9"),
    # by value
    (r"3\sqrt{13}", r"3\sqrt{12}"),
    (r"\pi", "3.14"),
    (r"\frac{\pi}{6}", r"30^\circ"),
    ("6 - 5i", "6 + 5i"),
    ("x^2+2x+1", "x^2+2x"),
    ("2k+2", "2k"),
    ("p - q", "q - p"),
    (r"1 \pm \sqrt{19}", r"1+\sqrt{19}, 2-\sqrt{19}"),
    (r"(-\sqrt{3}, \sqrt{3})", r"(-\sqrt{3}, \sqrt{2})"),
]
NOT_TOLD = [
    ("(3,4]", "3,4"),
    (r"(2,\infty)", r"2, \infty"),
    ("x=5", "y=5"),
    (r"\frac{\pi}{2}", r"\pi/2"),
    (r"(2,\infty)", r"(2,\frac{1}{0})"),
    (r"3\sqrt{13}", r"\sqrt{117}"),
    ("x^2+2x+1", "(x+1)^2"),
    (r"\cot x", r"\frac{1}{\tan x}"),
    (r"\frac{1}{2}", r"\sum_{n=2}^{\infty} 2^{-n}"),
    ("5", "10^{10^{10}}"),
    ("sin(2x)", "2sin(x)cos(x)"),
    ("1/2x", r"\frac{x}{2}"),
    ("2^34", "3 \\cdot 10^9"),
    (r"\sqrt{0}", "0"),
    ("5x - 7y + 4 = 0", "7y - 5x - 4 = 0"),
    (r"\begin{pmatrix} 1 & 2 \end{pmatrix}", r"\begin{pmatrix} 2 & 1 \end{pmatrix}"),
    (r"\{x, y\}", r"\{z, y\}"),
]


@pytest.mark.parametrize(("gold", "answer"), EQUAL, ids=lambda text: text[:30])
def test_equal(gold, answer):
    assert compare(gold, answer) is True
    assert compare(gold, gold) is True


@pytest.mark.parametrize(("gold", "answer"), DIFFERENT, ids=lambda text: text[:30])
def test_different(gold, answer):
    assert compare(gold, answer) is False


@pytest.mark.parametrize(("gold", "answer"), NOT_TOLD)
def test_algebra_must_tell(gold, answer):
    assert compare(gold, answer) is not True
    if (gold, answer) != NOT_TOLD[-1]:
        assert compare(gold, answer) is None


def test_algebra_is_asked_without_units_and_assignments():
    assert for_algebra("y = 2x + 3", r"3+\frac{4x}{2}") == ("2x+3", r"3+\frac{4x}{2}")
    assert for_algebra(r"\frac{\pi}{2} \text{ cm}", r"$3\pi \text{ cm}$") == (r"\frac{\pi}{2}", r"3\pi")
    assert for_algebra("2.5x", "1,234.50 + .5") == (
        r"(\frac{25}{10})x",
        r"(\frac{123450}{100})+(\frac{5}{10})",
    )
    assert for_algebra(r"0.1\overline{6}x", "1.2.3")[0] == r"0.1\overline{6}x"
    assert for_algebra("2ab", r"\int x dx") == ("2a b", r"\int xdx")  # ab is no letter, dx is one thing
    assert for_algebra("x", "2(x+1) + f_2(3)")[1] == r"2\cdot(x+1)+f_2(3)"
    assert for_algebra("5", r"\sum_{n=1}^{5} 1")[1] == r"\sum_{n=1}^{5}1"


@pytest.mark.parametrize(
    ("text", "one"),
    [
        (r"\left[ \dfrac{ 1 }{2} , 3 \right)", "[\\frac{1}{2},3)"),
        (
            r"\frac43 + \frac 59 - \frac9{19} \cdot \frac{270}7",
            r"\frac{4}{3}+\frac{5}{9}-\frac{9}{19}\cdot\frac{270}{7}",
        ),
        (r"\cot x", r"\cot x"),
        (r"\bigl( a \bigr) \, b \quad c~d", "(a)bcd"),
        (r"\(  \displaystyle  x^{3}_{1} \)", "x^3_1"),
        (r"\left.\frac12\right|", r".\frac{1}{2}|"),
    ],
)
def test_one_spelling(text, one):
    assert squeezed(spelled(text)) == one


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ("--1", 1),
        ("1,234,567", 1234567),
        ("12,34", None),
        ("1,2345", None),
        ("1.", 1),
        (".", None),
        ("", None),
        ("1.5.2", None),
        ("1/0", None),
        (r"\frac{3}{0}", None),
        (r"2\frac{-1}{2}", None),
        ("3/4", Fraction(3, 4)),
        ("1e500", None),
        (r"2.5\cdot10^3", 2500),
        ("0x10", None),
        ("٣", None),
        ("²", None),
        ("1" + "0" * 2000, Long(False, "1" + "0" * 2000, "")),
        ("-0." + "1" * 1500, Long(True, "", "1" * 1500)),
        ("1" * 3000 + "/7", None),
    ],
    ids=lambda x: str(x)[:20],
)
def test_numbers(text, value):
    assert number(text) == value


# -- refutation ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"\sqrt{2}\cdot\sqrt{3}", r"\sqrt{6}"),
        (r"(1+\sqrt{2})^2", r"3+2\sqrt{2}"),
        (r"\frac{1}{\sqrt{2}}", r"\frac{\sqrt{2}}{2}"),
        ("(x+1)(x-1)", "x^2-1"),
        ("i^2", "-1"),
        ("(1+i)^4", "-4"),
        (r"\sqrt{-4}", "2i"),
        ("10^{15}+1-10^{15}", "1"),
        ("(10^{16}+1)-10^{16}", "1"),
        (r"\frac{1}{(10^{8}+\frac{1}{10^{8}})-10^{8}}", "10^8"),
        (r"2\frac{1}{2}", r"\frac{5}{2}"),
        ("(a+b)^{12}-(b+a)^{12}+1", "1"),
    ],
)
def test_equals_are_never_said_to_differ(one, other):
    assert not differ(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x", "y"),
        ("x", "2x"),
        ("xy", "x^2"),
        (r"\pi", r"\frac{22}{7}"),
        ("i", "-i"),
        ("e", r"\pi"),
        ("2^{-1}", "2"),
    ],
)
def test_others_are(one, other):
    assert differ(one, other)


def differ(one, other):
    """Whether they are proved to differ."""
    return equal_value(one, other) is False


RATIONAL = [
    ("2^{10}", "1024", True),
    (r"\frac{2(7)}{2}", "7", True),
    ("1/2+1/3", r"\frac{5}{6}", True),
    ("0.1+0.2", "0.3", True),
    ("10^{15}+1-10^{15}", "1", True),
    ("10^{18}+1", "10^{18}", False),
    (r"1\frac{1}{2}\cdot 2", "3", True),
    ("2^{-3}", "0.125", True),
    ("-(-5)", "5", True),
    (r"\frac{1}{3}", "0.3333333333333333333333", False),
    ("(1+x)-x", "1", None),
    (r"\sqrt{4}", "2", None),
]


@pytest.mark.parametrize(("one", "other", "equal"), RATIONAL)
def test_rational_numbers_are_decided(one, other, equal):
    assert equal_value(one, other) is equal


@pytest.mark.parametrize(
    ("operation", "exactly"), [(values._sum, add), (values._product, mul), (values._quotient, truediv)]
)
def test_the_bound_on_an_error_holds_at_its_ends(operation, exactly):
    a, b = values.Value(3, 0.2), values.Value(-2, 0.4)
    found = operation(a, b)
    ends = [exactly(a.v + i * a.e, b.v + j * b.e) for i in (-1, 1) for j in (-1, 1)]
    assert max(abs(end - found.v) for end in ends) <= found.e


LEAVES = st.sampled_from(["1", "2", "3", "7", "x", "y", r"\pi", "i", r"\sqrt{2}", r"\sqrt{3}"])


def _node(children):
    pair = st.tuples(children, children)
    return st.one_of(
        pair.map(lambda p: (f"({p[0][0]}+{p[1][0]})", f"({p[1][1]}+{p[0][1]})")),
        pair.map(lambda p: (f"({p[0][0]}-{p[1][0]})", f"(-{p[1][1]}+{p[0][1]})")),
        pair.map(lambda p: (f"({p[0][0]})({p[1][0]})", rf"{p[1][1]}\cdot {p[0][1]}")),
        pair.map(lambda p: (rf"\frac{{{p[0][0]}}}{{{p[1][0]}}}", f"(({p[0][1]})/({p[1][1]}))")),
        children.map(lambda c: (f"({c[0]})^2", f"({c[1]})({c[1]})")),
        children.map(lambda c: (f"({c[0]})^{{-2}}", rf"\frac{{1}}{{({c[1]})^2}}")),
    )


SAME = st.recursive(LEAVES.map(lambda leaf: (f"({leaf})", f"({leaf})")), _node, max_leaves=12)


@given(SAME)
def test_two_ways_to_write_one_expression_never_differ(two):
    assert not differ(*two)


@given(SAME, st.sampled_from(["1", r"\frac{1}{1000}", "x"]))
def test_and_adding_something_small_is_seen_or_not_told(two, more):
    if differ(two[0], f"{two[1]}+{more}"):
        assert compare(two[0], f"{two[1]}+{more}") is False


def test_adding_one_is_seen_in_plain_cases():
    for text in (r"\sqrt{2}x", r"\frac{x}{y}", "(x+y)^5", r"\frac{3\sqrt{3}}{4}"):
        assert differ(text, f"{text}+1")


@pytest.mark.parametrize(
    "unit",
    [
        "(",
        ")",
        "{",
        "}",
        "(1,",
        "1,",
        r"\{",
        r"\frac",
        r"\frac{",
        r"\text{",
        "=",
        "<",
        "x<",
        r"\pm",
        "1",
        " ",
        "^",
        "$",
        r"\left(",
        r"\cup",
        " or ",
        "-",
        ".",
        r"\\",
        "sqrt(",
        r"\sqrt",
        "a ",
        r"\begin{pmatrix}",
    ],
)
def test_time_grows_with_the_length_alone(unit):
    def seconds(size):
        text = unit * (size // len(unit))
        started = time.process_time()
        compare("(1,2)", text + "\x00")
        compare(text + "7", text + "8")
        return time.process_time() - started

    assert seconds(60_000) / max(min(seconds(3_000) for _ in range(3)), 1e-3) < 100


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        (r"0.\overline{3}", "1/3"),
        ("1/3", r"0.\overline3"),
        (r"-0.1\overline{6}", r"-\frac16"),
        (r".\overline{12}", r"\frac{4}{33}"),
        (r"1.\overline{9}", "2"),
        ("3 1/2", "7/2"),
        ("-3.5", "-3 1/2"),
        (r"\frac{1000}{3}", "1 000/3"),
        ("400", "1 200/3"),
        ("14", r"14 \text{ cm2}"),
        ("C", "(C) P(A) = 3"),
        (r"2\sqrt{13}", "2√13"),
        (r"\sqrt{x+1}", "√(x+1)"),
        ("x^2 + y^3", "x² + y³"),
        ("7/2", "3½"),
        ("5", "5\u200b"),
        ("C", r"\textbf{(C)}\ \frac{A}{B}"),
    ],
)
def test_spellings_of_numbers_and_what_follows_an_answer(gold, answer):
    assert compare(gold, answer) is True


@pytest.mark.parametrize(
    "answer", ["(C) or (D)", "C. or D.", "(C) (D)", "C: x D: y", "(C) 12 (D) 13", "(C) or D", "(C) and (D)"]
)
def test_two_choices_are_no_choice(answer):
    assert compare("C", answer) is False
    assert compare(r"\text{(C)}", answer) is False


@pytest.mark.parametrize("answer", [r"14\text{ (or 15)}", r"14 \text{ apples, or 15 pears}"])
def test_a_second_answer_is_no_unit(answer):
    assert compare("14", answer) is not True


def test_a_repeating_decimal_is_not_its_beginning():
    assert compare(r"0.\overline{3}", "0.3") is False
    assert compare(r"0.\overline{3}", r"0.\overline{33}4") is not True
