"""Whether two final answers are equal, decided without computer algebra where that is possible for sure.

Three values: True, False, and None for "algebra must tell". What is exact is decided: equal spelling, plain
numbers of any length, digits with a base, words, choices, and lists, points, intervals, unions and column
vectors of such. `values` settles many
others by value. The stated choices:

* Decimals are exact: 0.333 is not 1/3, and 1.414 is not √2.
* `x %` is x/100; where one side alone has the sign, the bare x is accepted for it too (gold 40, answer 40 %).
* A unit on one side alone is ignored, two different known units are not equal. Degrees are no unit.
* `x = 5` answers 5 and the reverse; y = 5 does not answer x = 5.
* Choices: (C), C, \\text{C} and "C) 12" are one answer; "(C) or (D)" is none.
* Lists and sets have no order, points, intervals and vectors have; brackets of intervals must agree; an
  inequality in one variable is its interval.
* Digits with a base are compared as written: 52_8 is neither 52 nor 42.
"""

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Literal, NamedTuple

from acute.verify.latex import spelled, squeezed
from acute.verify.numbers import Long, exact, is_based, number
from acute.verify.overlooked import without_units
from acute.verify.units import amount
from acute.verify.values import equal_value

Verdict3 = bool | None
ITEMS = 40  # longer lists are not taken apart
LEVELS = 8
INFINITE = ("\\infty", "-\\infty")

_CHOICE = re.compile(r"(?:\\text)?[({]*([A-Za-z])[)}]*")
_CHOSEN = re.compile(r"(?:\\text ?\{)?\(?([A-Za-z])(?:\)\}?|[.:]|\}?\Z)(?: .*)?", re.DOTALL)
# what makes an answer two choices: "(A) or (B)", "A: 5 B: 6"
_CHOICE_TOO = re.compile(
    r"(?<![A-Za-z\\(])\(?[A-Z][).:](?![A-Za-z0-9])|(?:or|and)(?![A-Za-z])[^A-Za-z]*[A-Z](?![A-Za-z])"
)
_WORDS = re.compile(r"[A-Za-z][A-Za-z' -]*[A-Za-z]")
_AS_TEXT = re.compile(r"\\(?:text|mbox|mathrm|textbf|textrm)\s*\{[^{}]*\}")
_TEXT = re.compile(r"\\text ?\{([^{}]*)\}")
_SEPARATOR = re.compile(r"\\text ?\{ ?(?:and|or) ?\}|(?<![A-Za-z\\])(?:and|or)(?![A-Za-z])|\\cup(?![A-Za-z])")
_BELONGS = re.compile(r"[A-Za-z] ?\\in(?![A-Za-z])")
_RELATION = re.compile(r"<|>|\\(?:le|ge|lt|gt)(?![A-Za-z])")
_FIGURES = re.compile(r"[0-9]+(?: [0-9]+)+")
_PRODUCT = re.compile(r"(?<![_^0-9.A-Za-z\\])([0-9.]+)\(")
_TOGETHER = re.compile(
    r"\\(?:begin|end|text) ?\{[^{}]*\}|\\[A-Za-z]+|(?<![A-Za-z])(?!or|if|in)([a-z]{2})(?![A-Za-z])"
)
_EQUALS = re.compile(r"=")
_VARIABLE = re.compile(r" *[A-Za-z](?: ?\([A-Za-z]\))? *")
_COLUMN = re.compile(r"\\begin ?\{pmatrix\}(.*)\\end ?\{pmatrix\}", re.DOTALL)
_STRICT = {"<": "<", ">": ">", r"\lt": "<", r"\gt": ">", r"\le": "<", r"\ge": ">"}
_PAIRS = {"(": ")", "[": "]", "{": "}", "\\{": "\\}"}
_BRACKET = re.compile(r"\\[{}]|[()\[\]{},]|\\\\|\\pm(?![A-Za-z])")


class Group(NamedTuple):
    """A list (no order) or a row (order, and its brackets), of spelled items."""

    kind: Literal["list", "row"]
    brackets: str
    items: tuple["str | Group", ...]
    variable: str = ""


def compare(gold: str, answer: str) -> Verdict3:
    """Whether an answer equals the gold answer; None where this module cannot tell."""
    if gold.strip() == answer.strip():
        return True
    gold, is_text = _unwrapped(spelled(gold)), _is_text(gold)
    answer = _unwrapped(spelled(answer))
    if not answer:
        return False
    if (verdict := _choice(gold, answer, is_text)) is not None:
        return verdict
    if (verdict := _words(gold, answer, is_text)) is not None:
        return verdict
    return _equal(_form(gold), _form(answer), 0)


def for_algebra(gold: str, answer: str) -> tuple[str, str]:
    """A pair that `compare` cannot tell, in one spelling, without the units of single values."""
    sides = _sides(_unwrapped(spelled(gold)), _unwrapped(spelled(answer)))
    # math-verify takes 2(42) for a mixed number, 44
    heads = (without_units(amount(side).head) for side in sides)
    one, other = (_letters_apart(_PRODUCT.sub(r"\1\\cdot(", squeezed(head))) for head in heads)
    return exact(one), exact(other)


def _letters_apart(text: str) -> str:
    """With ab as the product a b: math-verify reads one letter of that name."""
    if "\\int" in text:
        return text  # there dx belongs together
    return _TOGETHER.sub(lambda found: " ".join(found[1]) if found[1] else found[0], text)


def _unwrapped(text: str) -> str:
    """Without braces or a \\text{…} around the whole of it, as are left of \\boxed{…}."""
    for _ in range(LEVELS):
        if found := _TEXT.fullmatch(text):
            text = found[1].strip()
        elif text[:1] == "{" and _split(text)[1:] == ([(0, len(text))], True):
            text = text[1:-1].strip()
        else:
            break
    return text


def _is_text(gold: str) -> bool:
    return _AS_TEXT.fullmatch(gold.strip(" \t\n$.")) is not None


def _choice(gold: str, answer: str, is_text: bool) -> Verdict3:
    """Multiple choice: gold is one letter, in brackets, as text, or among A to E."""
    wanted = _CHOICE.fullmatch(gold)
    if wanted is None or not (is_text or "(" in gold or gold in tuple("ABCDE")):
        return None
    found = _CHOICE.fullmatch(answer) or _CHOSEN.fullmatch(answer)
    if found is None or _CHOICE_TOO.search(answer + " ", found.end(1) + 1):
        return False
    return found[1].upper() == wanted[1].upper()


def _plain_words(text: str) -> str | None:
    text = _TEXT.sub(r" \1 ", text)
    text = re.sub(r"^(?:an?|the) ", "", " ".join(text.strip(" .").split()), flags=re.IGNORECASE)
    return text.casefold() if _WORDS.fullmatch(text) else None


def _words(gold: str, answer: str, is_text: bool) -> Verdict3:
    """Answers that are words: equal without regard to case and article."""
    wanted, found = _plain_words(gold), _plain_words(answer)
    if wanted is None:
        return None
    if wanted == found:
        return True if is_text or len(wanted) > 2 else None
    return False if is_text else None


# -- taking apart ------------------------------------------------------------------------------------


def _split(text: str) -> tuple[list[str], list[tuple[int, int]], bool]:
    """The parts between commas outside brackets, the bracketed stretches there, and whether brackets match.

    Any of ( and [ may be closed by ) or ], as intervals are.
    """
    parts, stretches, opened, begun = [], [], [], 0
    for found in _BRACKET.finditer(text):
        token = found[0]
        if token in ("(", "[", "{", "\\{"):
            opened.append((token, found.start()))
        elif token in (")", "]", "}", "\\}"):
            if not opened:
                return [text], [], False
            opening, at = opened.pop()
            if (token in (")", "]")) != (opening in ("(", "[")) or (len(token) != len(opening)):
                return [text], [], False
            if not opened:
                stretches.append((at, found.end()))
        elif token == "," and not opened:
            parts.append(text[begun : found.start()])
            begun = found.end()
    return [*parts, text[begun:]], stretches, not opened


def _form(text: str, level: int = 0) -> str | Group:
    """A spelled text as a group of items, or as it is."""
    text = _SEPARATOR.sub(",", _BELONGS.sub("", text)).strip(" ,")
    if level > LEVELS or number(squeezed(text)) is not None:
        return text
    parts, stretches, matched = _split(text)
    if not matched:
        return text
    parts = [part.strip() for part in parts if part.strip()]
    if len(parts) > 1:
        return _listed(parts, level) if len(parts) <= ITEMS else text
    if found := _COLUMN.fullmatch(text):
        return _column(found[1], level)
    if stretches == [(0, len(text))]:
        return _bracketed(text, level)
    if (relation := _interval(text)) is not None:
        return relation
    if text.count("\\pm") == 1 and "\\mp" not in text and "=" not in text.partition("\\pm")[2]:
        return Group("list", "", tuple(text.replace("\\pm", sign) for sign in "+-"))
    return text


def _listed(parts: Sequence[str], level: int) -> Group:
    items: list[str | Group] = []
    for part in parts:
        item = _form(part, level + 1)
        items += item.items if isinstance(item, Group) and item.kind == "list" else [item]
    return Group("list", "", tuple(items))


def _bracketed(text: str, level: int) -> str | Group:
    """What stands in one pair of brackets."""
    width = 2 if text.startswith("\\") else 1
    opening, inside, closing = text[:width], text[width:-width], text[-width:]
    parts, _, matched = _split(inside)
    if not matched or len(parts) > ITEMS:
        return text
    if opening == "\\{":
        inner = _form(inside, level + 1)
        return inner if isinstance(inner, Group) and inner.kind == "list" else Group("list", "", (inner,))
    if len(parts) == 1:
        return _form(inside, level + 1) if (opening, closing) in (("(", ")"), ("{", "}")) else text
    if opening == "{":
        return text
    return Group("row", opening + closing, tuple(_form(part.strip(), level + 1) for part in parts))


def _column(inside: str, level: int) -> str | Group:
    rows = inside.split("\\\\")
    if "&" in inside or "\\begin" in inside or len(rows) > ITEMS:
        return f"\\begin{{pmatrix}}{inside}\\end{{pmatrix}}"
    return Group("row", "column", tuple(_form(row.strip(), level + 1) for row in rows if row.strip()))


def _cut(text: str, sign: re.Pattern[str]) -> tuple[list[str], list[str]]:
    """A text cut at a sign wherever it stands outside brackets: the pieces, and the signs between them."""
    stretches = _split(text)[1]
    pieces, signs, begun, passed = [], [], 0, 0
    for found in sign.finditer(text):
        while passed < len(stretches) and stretches[passed][1] <= found.start():
            passed += 1
        if passed == len(stretches) or found.start() < stretches[passed][0]:
            pieces.append(text[begun : found.start()])
            signs.append(found[0])
            begun = found.end()
    return [*pieces, text[begun:]], signs


def _interval(text: str) -> Group | None:
    """An inequality in one variable, such as 0 ≤ x < 1 or x > 2, as its interval."""
    sides, signs = _cut(text, _RELATION)
    sides = [side.strip() for side in sides]
    if len(signs) not in (1, 2) or not all(sides):
        return None
    if len({_STRICT[sign] for sign in signs}) > 1:
        return None
    if _STRICT[signs[0]] == ">":
        signs, sides = signs[::-1], sides[::-1]
    closed = [sign in (r"\le", r"\ge") for sign in signs]
    if len(signs) == 2:
        low, variable, high = sides
        brackets = "(["[closed[0]] + ")]"[closed[1]]
    elif re.fullmatch(r"[A-Za-z]", sides[0]):
        low, (variable, high) = "-\\infty", sides
        brackets = "(" + ")]"[closed[0]]
    else:
        (low, variable), high = sides, "\\infty"
        brackets = "(["[closed[0]] + ")"
    if not re.fullmatch(r"[A-Za-z]", variable):
        return None
    return Group("row", brackets, (low, high), variable)


# -- comparing ---------------------------------------------------------------------------------------


def _equal(gold: str | Group, answer: str | Group, level: int) -> Verdict3:
    if isinstance(gold, str) and isinstance(answer, str):
        return _leaf(gold, answer)
    if isinstance(gold, Group) and isinstance(answer, Group):
        return _groups(gold, answer, level)
    group, leaf = (gold, answer) if isinstance(gold, Group) else (answer, gold)
    assert isinstance(group, Group)
    if group.brackets not in ("", "()"):
        return None
    # one value against many: equal only if each of them is that value, which nobody writes
    return False if any(_equal(item, leaf, level + 1) is False for item in group.items) else None


def _groups(gold: Group, answer: Group, level: int) -> Verdict3:
    if gold.variable and answer.variable and gold.variable != answer.variable:
        return None
    if gold.kind == answer.kind == "row" and gold.brackets != answer.brackets:
        return None if "column" in (gold.brackets, answer.brackets) else False
    if gold.kind == "list" and (answer.kind == "list" or not _is_interval(answer)):
        return _unordered(gold.items, answer.items, level)
    if _is_interval(gold) and answer.kind == "list":
        return None
    return _ordered(gold.items, answer.items, level)


def _is_interval(group: Group) -> bool:
    """Whether it can be no point: a half-open or unbounded one, or from an inequality."""
    ends = [item for item in group.items if isinstance(item, str)]
    return group.kind == "row" and (
        group.brackets in ("(]", "[)") or bool(group.variable) or any("\\infty" in end for end in ends)
    )


def _ordered(gold: Sequence[str | Group], answer: Sequence[str | Group], level: int) -> Verdict3:
    if len(gold) != len(answer):
        return False
    verdicts = [_equal(g, a, level + 1) for g, a in zip(gold, answer, strict=True)]
    if False in verdicts:
        return False
    return None if None in verdicts else True


def _unordered(gold: Sequence[str | Group], answer: Sequence[str | Group], level: int) -> Verdict3:
    if level > 1 or len(gold) * len(answer) > ITEMS**2:
        return None
    table = [[_equal(g, a, level + 1) for a in answer] for g in gold]
    lonely = any(all(v is False for v in row) for row in table)
    lonely |= any(all(row[j] is False for row in table) for j in range(len(answer)))
    if lonely:
        return False
    if len(gold) != len(answer):
        return None
    free = set(range(len(answer)))
    for row in table:
        match = next((j for j in sorted(free) if row[j]), None)
        if match is None:
            return None
        free.remove(match)
    return True


def _leaf(gold: str, answer: str) -> Verdict3:
    """Two items that are not taken apart further."""
    gold, answer = _sides(gold, answer)
    g, a = amount(gold), amount(answer)
    if g.unit is not None and a.unit is not None and g.unit != a.unit:
        return False
    one, other = (_bare(squeezed(x.head)) for x in (g, a))
    if one == other and g.scale == a.scale:
        return True
    if one in INFINITE or other in INFINITE:
        finite = other if one in INFINITE else one
        return False if finite in INFINITE or number(finite) is not None else None
    if is_based(one) or is_based(other):
        bare = other if is_based(one) else one
        return False if is_based(bare) or number(bare) is not None else None
    values = number(one), number(other)
    if (values[0] is None) != (values[1] is None) and _FIGURES.fullmatch(one if values[0] is None else other):
        return False  # "2 3" is no number, and not 23
    if values[0] is not None and values[1] is not None:
        return _numbers((values[0], g.scale, g.percent), (values[1], a.scale, a.percent))
    if g.scale == a.scale == 1 and not g.percent and not a.percent:
        return equal_value(one, other)
    return None


def _sides(gold: str, answer: str) -> tuple[str, str]:
    """The right-hand sides, where one is an assignment, or both are of the same variable."""
    wanted, found = _cut(gold, _EQUALS)[0], _cut(answer, _EQUALS)[0]
    assigned = len(wanted) == 2 and _VARIABLE.fullmatch(wanted[0]) is not None
    if len(wanted) == 1:
        return gold, found[-1]
    if not assigned:
        return gold, answer
    if len(found) == 1:
        return wanted[1], answer
    return (wanted[1], found[-1]) if squeezed(wanted[0]) == squeezed(found[0]) else (gold, answer)


def _bare(text: str) -> str:
    """Without braces, brackets or a plus around the whole of it."""
    text = text.removeprefix("+")
    for _ in range(LEVELS):
        if (
            text[:1] not in ("(", "{")
            or text[-1] != _PAIRS[text[0]]
            or _split(text)[1:] != ([(0, len(text))], True)
        ):
            break
        text = text[1:-1]
    found = _TEXT.fullmatch(text)
    return found[1] if found else text


def _numbers(gold: tuple[Fraction | Long, int, bool], answer: tuple[Fraction | Long, int, bool]) -> Verdict3:
    (g, g_scale, g_percent), (a, a_scale, a_percent) = gold, answer
    if isinstance(g, Long) or isinstance(a, Long):
        return g == a and g_scale == a_scale and g_percent == a_percent
    g, a = g * g_scale, a * a_scale
    if g_percent == a_percent:
        return g == a
    return a in (g, g / 100) if g_percent else a in (g, g * 100)
