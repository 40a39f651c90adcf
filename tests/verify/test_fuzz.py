"""Whatever a response says, reading it ends in an answer, in none, or in a declared error.

A few thousand inputs here; ACUTE_FUZZ=100000 (`make fuzz`) makes that many of each. What was ever found to
fail stands below as an example.
"""

import os

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from acute.verify.compare import compare, for_algebra
from acute.verify.final_answer import final_answer
from acute.verify.latex import spelled, squeezed
from acute.verify.numbers import amount, number
from acute.verify.refute import differ
from acute.verify.short import is_short, short

EXAMPLES = int(os.environ.get("ACUTE_FUZZ", "1500"))
FUZZ = settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)
PIECES = r"""
\boxed{ \fbox{ \frac \dfrac \sqrt \left \right \text{ \mbox{ \pm \cup \in \le \ge \infty \pi \cdot \times \%
\$ \, \! \\ \{ \} \begin{pmatrix} \end{pmatrix} \circ < > = ^ _ { } ( ) [ ] , . ; : $ $$ \( \) \[ \] ####
% - + * / ! | & ~ " answer final is The: because so and or sqrt( infinity pi percent million cm degrees
A (C) x y i e f(x) sin 0 1 2 7 12 1,234 1/2 0.5 .5 1e9 52_8 10^{9} \frac12 \frac{1}{0} 1\frac{4}{5} x=5
""".split()  # noqa: SIM905 - a list of eighty strings hides what they are
TEXT = st.one_of(
    st.text(),
    st.text(alphabet="\\{}()[]$^_,.=<>0123456789abxyi -+/%&#\n"),
    st.lists(st.sampled_from([*PIECES, "\ud800", " ", "\n", "\x00", "٣", "−", "π", "ﬁ"])).map("".join),
    st.lists(st.sampled_from(PIECES)).map(" ".join),
)
FINISH = st.sampled_from(["eos", "stop", "length"])
FALLBACK = st.sampled_from(["none", "last-number", "whole"])


@FUZZ
@given(TEXT, st.integers(0, 20), st.booleans(), FALLBACK)
@example("answer is", 0, False, "whole")
@example("\\boxed{}", 0, False, "none")
def test_final_answer(text, begun, cut_off, fallback):
    begun = min(begun, len(text))
    found = final_answer(text, begun, cut_off, fallback)
    assert found is None or (found and found in text)
    if final_answer(text, begun, True, fallback) is not None:
        assert final_answer(text, begun, False, fallback) is not None


@FUZZ
@given(TEXT, TEXT)
@example("٣", "3")
@example("x^{2}3", "x^23")
@example("", "$$")
@example("1/0", "\\frac{3}{0}")
@example("\\sum_{n=1}^{5} 1", "5")
def test_compare(gold, answer):
    verdict = compare(gold, answer)
    assert verdict in (True, False, None)
    assert compare(gold, gold) is True
    assert all(isinstance(text, str) for text in for_algebra(gold, answer))
    if verdict is True:
        assert compare(f"${gold}$", answer) is not False or gold.strip() == answer.strip()


@FUZZ
@given(TEXT, TEXT)
def test_what_is_proved_to_differ_differs_both_ways(one, other):
    one, other = squeezed(spelled(one)), squeezed(spelled(other))
    assert differ(one, other) == differ(other, one)
    assert not differ(one, one)
    if differ(one, other):
        assert compare(one, other) is not True


@FUZZ
@given(TEXT)
def test_spelling_and_numbers(text):
    assert spelled(text) == spelled(f"\n {text}")
    value = number(squeezed(spelled(text)))
    if value is not None:
        assert number(squeezed(spelled(f"${text}$"))) == value
    assert amount(spelled(text)).scale >= 1


@FUZZ
@given(TEXT, TEXT, FINISH)
def test_short(response, answer, finish):
    verdict = short(response, answer, finish)
    assert (verdict.outcome, verdict.answer_found is None) in {("ok", False), ("wrong_form", True)}
    assert verdict.reward in (0.0, 1.0)
    assert is_short(answer) in (True, False)


@FUZZ
@given(st.fractions(max_denominator=10**6), st.sampled_from(["{}", "${}$", "\\boxed{{{}}}", "{}.", " {} "]))
def test_equal_numbers_are_equal_in_any_spelling(value, around):
    n, d = value.numerator, value.denominator
    for text in (f"\\frac{{{n}}}{{{d}}}", f"{n}/{d}", f"\\dfrac {{{n}}} {{{d}}}"):
        assert compare(around.format(text), f"\\tfrac{{{n}}}{{{d}}}") is True
        assert compare(text, f"\\frac{{{n + 1}}}{{{d}}}") is False
