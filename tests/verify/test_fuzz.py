"""Whatever a response says, reading it ends in an answer, in none, or in a declared error.

Texts that hypothesis composes, and many more that are real answers cut, joined and disturbed at random. A few
thousand here; with ACUTE_FUZZ=100000 (`make fuzz`) that many of the second for each parser. What was ever
found to fail stands below as an example.
"""

import os
import random

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from acute.verify.compare import compare, for_algebra
from acute.verify.final_answer import final_answer
from acute.verify.latex import spelled, squeezed
from acute.verify.numbers import number
from acute.verify.short import is_short, short
from acute.verify.units import amount
from acute.verify.values import equal_value
from tests.verify.variants import HAND, STATEMENTS

INPUTS = int(os.environ.get("ACUTE_FUZZ", "4000"))
BATCH = 100  # disturbed texts from one seed
EXAMPLES = max(1000, INPUTS // 20)
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
def test_what_is_proved_of_values_holds_both_ways(one, other):
    one, other = squeezed(spelled(one)), squeezed(spelled(other))
    verdict = equal_value(one, other)
    assert equal_value(other, one) is verdict
    assert equal_value(one, one) is not False
    if verdict is False:
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


def disturbed(seed):
    """Texts around real answers: pieces cut, doubled, swapped, joined with others or with noise."""
    chance = random.Random(seed)
    whole = [*HAND, *(s.format(chance.choice(HAND)) for s in STATEMENTS)]
    for _ in range(BATCH):
        text = chance.choice(whole)
        for _ in range(chance.randint(1, 5)):
            i, j = sorted((chance.randint(0, len(text)), chance.randint(0, len(text))))
            text = chance.choice(
                (
                    text[:i] + text[j:],
                    text[:i] + chance.choice(PIECES) + text[i:],
                    text[:i] + chance.choice(HAND) + text[j:],
                    text[:j] + text[i:j] * chance.choice((1, 1, 1, 20)) + text[j:],
                    text[i:j] or text,
                    text[:i] + chr(chance.choice((0, 32, 92, 123, 125, 0x663, 0x2212, 0xD800))) + text[i:],
                )
            )
        yield text[:3000]


SEEDS = st.integers(0, 2**63)
MANY = settings(FUZZ, max_examples=max(1, INPUTS // BATCH))


@MANY
@given(SEEDS, st.booleans(), FALLBACK)
def test_final_answer_in_disturbed_texts(seed, cut_off, fallback):
    for text in disturbed(seed):
        found = final_answer(text, 0, cut_off, fallback)
        assert found is None or (found and found in text)


@MANY
@given(SEEDS)
def test_compare_of_disturbed_answers(seed):
    texts = list(disturbed(seed))
    for answer, other in zip(texts, [*texts[1:], *HAND], strict=False):
        gold = HAND[len(answer) % len(HAND)]
        assert compare(gold, answer) in (True, False, None)
        assert compare(answer, other) in (True, False, None)
        assert compare(answer, answer) is True
        assert len(for_algebra(gold, answer)) == 2


@MANY
@given(SEEDS, FINISH)
def test_short_in_disturbed_texts(seed, finish):
    for text in disturbed(seed):
        verdict = short(text, "7", finish)
        assert (verdict.outcome, verdict.answer_found is None) in {("ok", False), ("wrong_form", True)}
