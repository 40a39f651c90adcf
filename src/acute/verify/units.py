"""An amount parted from what it is an amount of, in spelled text.

Words after a number are a unit only where they say nothing of its value: "12 apples" is 12, but "5 halves",
"5 squared", "5 or six" and "5 \\text{/2}" are not 5, and 2ab is no amount of ab.
"""

import re
from typing import NamedTuple

_UNIT = re.compile(
    r"\\text ?\{(?P<text>[^{}\\]*)\}(?: ?\^ ?\{?(?P<power>[23])\}?)?\Z|"
    r"(?<=[0-9.}])(?P<space> ?)(?P<plain>[A-Za-z]{2,}[A-Za-z ]*|(?<= )[mLgs])"
    r"(?: ?\^ ?\{?(?P<raised>[23])\}?)?\Z"
)
_KNOWN = {
    name: canonical
    for canonical, names in {
        "mm": "mm millimeter millimeters millimetre millimetres",
        "cm": "cm centimeter centimeters centimetre centimetres",
        "m": "m meter meters metre metres",
        "km": "km kilometer kilometers kilometre kilometres",
        "in": "in inch inches",
        "ft": "ft foot feet",
        "yd": "yd yard yards",
        "mi": "mi mile miles",
        "s": "s sec second seconds",
        "min": "min minute minutes",
        "h": "h hr hour hours",
        "day": "day days",
        "week": "week weeks",
        "month": "month months",
        "year": "year years",
        "g": "g gram grams",
        "kg": "kg kilogram kilograms",
        "lb": "lb lbs pound pounds",
        "oz": "oz ounce ounces",
        "L": "l liter liters litre litres",
        "mph": "mph",
        "cent": "cent cents",
        "dollar": "dollar dollars",
        "rad": "rad radian radians",
        "degree": "deg degree degrees",
        "cup": "cup cups",
        "pint": "pint pints",
        "quart": "quart quarts",
        "gallon": "gal gallon gallons",
    }.items()
    for name in names.split()
}
_POWERS = {"square": "2", "sq": "2", "squared": "2", "cubic": "3", "cu": "3", "cubed": "3"}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_NO_UNIT = frozenset(
    word
    for words in (
        # they hedge
        "or and either nor not no is are isn't aren't maybe perhaps possibly probably but unless except",
        "else if then approximately approx about around roughly almost nearly least most between through",
        "to versus vs",
        # they compute
        "plus minus times divided multiplied by over than root power factorial choose squared cubed mod",
        "modulo base repeating recurring percent percents pi sqrt infinity sin cos tan cot csc ln log lg",
        "exp sinh cosh tanh arcsin arccos arctan",
        # they are numbers
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen",
        "sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety",
        "hundred thousand million billion trillion dozen dozens score gross half halves third thirds",
        "fourth fourths fifth fifths sixth sixths seventh sevenths eighth eighths ninth ninths tenth",
        "tenths hundredth hundredths thousandth thousandths",
    )
    for word in words.split()
)
_WORD = re.compile(r"[a-zµ]+(?:[-'/][a-zµ]+)*")
_LETTERS = frozenset("cfjknvw")  # one-letter units, beside the known ones; i, e and x are numbers


class Amount(NamedTuple):
    """Text parted from what it is an amount of: head, unit or None, factor, whether it is per cent."""

    head: str
    unit: str | None
    scale: int
    percent: bool


def is_unit(text: str) -> bool:
    """Whether text names what is counted or measured and nothing else: "cm^2", "apples", "miles per hour"."""
    words = text.lower().replace(".", "").strip(" ()").split()
    raised = re.fullmatch(r"(.+?)(\^?)[23]", words[-1]) if words else None
    if raised and (raised[2] or raised[1] in _KNOWN):
        words[-1] = raised[1]
    return bool(words) and all(_says_no_value(word) for word in words)


def _says_no_value(word: str) -> bool:
    if word in _KNOWN or word in _LETTERS or word == "a":
        return True
    return len(word) > 1 and _WORD.fullmatch(word) is not None and not _NO_UNIT & set(re.split("[-/]", word))


def amount(text: str) -> Amount:
    """Part spelled text from its unit, which must follow something.

    A unit is `\\text{…}` at the end, or words after a number; known ones get one name ("cm2").
    """
    percent = text.endswith("%")
    text = text.removesuffix("%").rstrip()
    whole = Amount(text, None, 1, percent)
    found = _UNIT.search(text)
    if found is None or not (head := text[: found.start()].rstrip()):
        return whole
    words = (found["text"] or found["plain"] or "").lower().replace(".", "").split()
    power = found["power"] or found["raised"] or ""
    if words in (["%"], ["percent"], ["percents"], ["per", "cent"]):
        return Amount(head, None, 1, True)
    scale = 1
    while words and words[0] in _SCALES:
        scale *= _SCALES[words.pop(0)]
    if scale > 1 and not words and not power:
        return Amount(head, None, scale, percent)
    if len(words) > 1:  # "square feet", "feet squared"
        for word in [word for word in words if word in _POWERS]:
            power = _POWERS[word]
            words.remove(word)
    unit = " ".join(words)
    if not is_unit(unit) or (found["plain"] and unit not in _KNOWN and not _stands_apart(found, words)):
        return whole
    known = _KNOWN.get(unit)
    return Amount(head, known + power if known else None, scale, percent)


def _stands_apart(found: re.Match[str], words: list[str]) -> bool:
    """Whether bare words are no product of letters, as ab is in 2ab and "2 ab"."""
    return bool(found["space"]) and max(map(len, words)) > 3
