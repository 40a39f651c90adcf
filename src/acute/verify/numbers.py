"""Numbers and their units, exactly, from spelled text. Longer numbers are compared as text."""

import re
from fractions import Fraction
from typing import NamedTuple

DIGITS = 1000  # a longer number is never made a Python integer, which takes time with the square of it
EXPONENT = 400

_SIGN = r"(?P<sign>[-+]*)"
_WHOLE = r"(?:[0-9]{1,3}(?:(?:,[0-9]{3})+|(?: [0-9]{3})+)|[0-9]+)"
_SEPARATORS = str.maketrans("", "", ", ")
_DECIMAL = re.compile(rf"{_SIGN}(?P<whole>{_WHOLE}|(?=\.[0-9]))(?:\.(?P<part>[0-9]*))?")
_SCIENTIFIC = re.compile(
    rf"{_SIGN}(?P<whole>[0-9]+|(?=\.[0-9]))(?:\.(?P<part>[0-9]*))?(?:\\cdot10\^(?P<power>\{{-?[0-9]+\}}|[0-9])|[eE](?P<e>[-+]?[0-9]+))"
)
_REPEATING = re.compile(
    rf"{_SIGN}(?P<whole>[0-9]*)\.(?P<part>[0-9]*)\\overline(?:\{{(?P<again>[0-9]+)\}}|(?P<one>[0-9]))"
)
_FRACTION = re.compile(
    rf"{_SIGN}(?P<whole>[0-9]*)(?:\\frac\{{(?P<inner>-?)(?P<above>{_WHOLE})\}}\{{(?P<below>{_WHOLE})\}}"
    rf"|(?<![0-9])(?:(?P<wholes>[0-9]+) (?![0-9]{{3}}(?![0-9])))?(?P<a>{_WHOLE})/(?P<b>{_WHOLE}))"
)
_BASED = re.compile(r"-?[0-9A-Z]+_(?:[0-9]|\{[0-9]+\})")
_UNIT = re.compile(
    r"\\text\{(?P<text>[^{}\\]*)\}(?:\^\{?(?P<power>[23])\}?)?\Z|"
    r"(?<=[0-9.}]) ?(?P<plain>[A-Za-z]{2,}[A-Za-z ]*|(?<= )[mLgs])(?:\^\{?(?P<raised>[23])\}?)?\Z"
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
    }.items()
    for name in names.split()
}
_POWERS = {"square": "2", "sq": "2", "squared": "2", "cubic": "3", "cu": "3", "cubed": "3"}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_NO_UNIT = {"or", "and", "pi", "sqrt", "to", "plus", "minus", "times", "dozen", "mod", "if"}


class Long(NamedTuple):
    """A number too long for arithmetic: no zeros lead `whole`, none end `part`, its decimals."""

    negative: bool
    whole: str
    part: str


class Amount(NamedTuple):
    """Text parted from what it is an amount of: head, unit or None, power of ten, whether it is per cent."""

    head: str
    unit: str | None
    scale: int
    percent: bool


def is_based(text: str) -> bool:
    """Whether squeezed text is digits with a base, such as 4210_5."""
    return _BASED.fullmatch(text) is not None


def number(text: str) -> Fraction | Long | None:
    """The value of squeezed text that is one number, or None: decimal, fraction, mixed number, a·10^b."""
    if found := _DECIMAL.fullmatch(text):
        return _decimal(found, 0)
    if len(text) > 2 * DIGITS:
        return None
    if found := _SCIENTIFIC.fullmatch(text):
        power = (found["power"] or found["e"]).strip("{}")
        return _decimal(found, int(power)) if abs(int(power)) <= EXPONENT else None
    if found := _REPEATING.fullmatch(text):
        return _repeating(found)
    if found := _FRACTION.fullmatch(text):
        above, below = (_int(found[a] or found[b]) for a, b in (("above", "a"), ("below", "b")))
        if not below or (found["inner"] and found["whole"]):
            return None
        magnitude = _int(found["whole"] or found["wholes"] or "0") + Fraction(above, below)
        negative = (found["sign"].count("-") + bool(found["inner"])) % 2
        return -magnitude if negative else magnitude
    return None


def _int(digits: str) -> int:
    return int(digits.translate(_SEPARATORS))


def _repeating(found: re.Match[str]) -> Fraction:
    """0.1\\overline{6}: (16 - 1) / 90."""
    part, again = found["part"], found["again"] or found["one"]
    whole = found["whole"] + part
    ninths = int(whole + again) - int(whole or "0")
    value = Fraction(ninths, (10 ** len(again) - 1) * 10 ** len(part))
    return -value if found["sign"].count("-") % 2 else value


def _decimal(found: re.Match[str], power: int) -> Fraction | Long:
    whole, part = found["whole"].translate(_SEPARATORS).lstrip("0"), (found["part"] or "").rstrip("0")
    negative = found["sign"].count("-") % 2 == 1
    if len(whole) + len(part) > DIGITS:
        return Long(negative, whole, part)
    value = Fraction(int(whole + part or "0")) * Fraction(10) ** (power - len(part))
    return -value if negative else value


def amount(text: str) -> Amount:
    """Part spelled text from its unit, which must follow something.

    A unit is `\\text{…}` at the end, or words after a number; known ones get one name ("cm2").
    """
    percent = text.endswith("%")
    text = text.removesuffix("%").rstrip()
    found = _UNIT.search(text)
    if found is None or not (head := text[: found.start()].rstrip()):
        return Amount(text, None, 1, percent)
    words = (found["text"] or found["plain"] or "").lower().replace(".", "").split()
    power = found["power"] or found["raised"] or ""
    if words and words[-1] in ("percent", "percents"):
        return Amount(head, None, 1, True)
    if _NO_UNIT & set(words) or any(
        word.strip("([$")[:1].isdigit() for word in words
    ):  # "(or 15)": two answers
        return Amount(text, None, 1, percent)
    scale = 1
    while words and words[0] in _SCALES:
        scale *= _SCALES[words.pop(0)]
    for word in [word for word in words if word in _POWERS]:
        power = _POWERS[word]
        words.remove(word)
    unit = " ".join(words)
    known = _KNOWN.get(unit)
    return Amount(head, known + power if known else None, scale, percent)
