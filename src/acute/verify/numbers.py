"""Numbers, exactly, from spelled text. Longer ones are compared as text."""

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
# a decimal in a formula; not one that repeats, nor the end of 1.2.3
_WITH_DECIMALS = re.compile(
    r"(?<![0-9.])(?<![0-9],)([0-9]{1,3}(?:,[0-9]{3})+|[0-9]*)\.([0-9]+)(?![0-9.]|\\(?:overline|bar|dot|ldots))"
)
_BASED = re.compile(r"-?[0-9A-Z]+_(?:[0-9]|\{[0-9]+\})")


class Long(NamedTuple):
    """A number too long for arithmetic: no zeros lead `whole`, none end `part`, its decimals."""

    negative: bool
    whole: str
    part: str


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


def exact(text: str) -> str:
    """A squeezed formula with fractions for its decimals: 2.5x becomes (\\frac{25}{10})x.

    Algebra would round them: 1.4142135623730951 would be √2.
    """
    return _WITH_DECIMALS.sub(_as_fraction, text)


def _as_fraction(found: re.Match[str]) -> str:
    digits = (found[1].replace(",", "") + found[2]).lstrip("0") or "0"
    return rf"(\frac{{{digits}}}{{1{'0' * len(found[2])}}})"


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
