"""Proof that two expressions differ, or are one number, by evaluating both.

They differ where, at one point, the values differ by more than a bound on every rounding error explains; they
are equal where both are rational numbers, computed exactly, and the same. Nothing else is concluded. Squeezed
LaTeX of numbers, letters, + − · /, \\frac, \\sqrt, powers and brackets is read; a reading that is in doubt
(1/2x, 2^34, the name of a function) is refused, which concludes nothing.
"""

import cmath
import math
import re
from fractions import Fraction
from typing import NamedTuple

LONGEST = 400  # characters; a longer expression is not read
DEPTH = 40
UNIT = 2.0**-52
HUGE = 1e150

_TOKEN = re.compile(
    r"(?P<mixed>[0-9]+\\frac\{[0-9]+\}\{[0-9]+\})|(?P<number>[0-9]+\.?[0-9]*|\.[0-9]+)|(?P<command>\\[A-Za-z]+)|(?P<sign>[-+*/^(){}\[\]])"
    r"|(?P<letter>[A-Za-z])|(?P<space> )"
)
_WORD = re.compile(r"(?<!\\)(?<![A-Za-z])(?:[A-Za-z]{3,}|ln|lg|pi|tg|oo)(?![A-Za-z])")
_MIXED = re.compile(r"([0-9]+)\\frac\{([0-9]+)\}\{([0-9]+)\}")


class Refused(Exception):
    """Not an expression that can be read without doubt, or not one that has a value here."""


class Value(NamedTuple):
    """A complex number, a bound on its error, and the number itself where it is known to be rational."""

    v: complex
    e: float
    exact: Fraction | None = None


def _checked(v: complex, e: float, exact: Fraction | None = None) -> Value:
    size = abs(v)
    if not size < HUGE:
        raise Refused
    return Value(v, e + 16 * UNIT * size, exact)


def _sum(a: Value, b: Value) -> Value:
    exact = None if a.exact is None or b.exact is None else a.exact + b.exact
    return _checked(a.v + b.v, a.e + b.e, exact)


def _product(a: Value, b: Value) -> Value:
    exact = None if a.exact is None or b.exact is None else a.exact * b.exact
    return _checked(a.v * b.v, abs(a.v) * b.e + abs(b.v) * a.e + a.e * b.e, exact)


def _quotient(a: Value, b: Value) -> Value:
    least = abs(b.v) - b.e
    if not least > 2 * b.e or least < 1 / HUGE:
        raise Refused
    v = a.v / b.v
    exact = None if a.exact is None or b.exact is None else a.exact / b.exact
    return _checked(v, (a.e + abs(v) * b.e) / least, exact)


def _root(a: Value) -> Value:
    """The square root ≥ 0 of what is > 0, and i times that of what is < 0."""
    if a.v.imag or not abs(a.v) > 4 * a.e:
        raise Refused
    v = complex(abs(a.v) ** 0.5)
    return _checked(v * 1j if a.v.real < 0 else v, a.e / (abs(a.v) - a.e) * abs(v))


def _power(a: Value, b: Value) -> Value:
    exponent = b.v.real
    if b.v.imag or exponent != round(exponent) or abs(exponent) > 64:
        raise Refused
    whole, result = round(abs(exponent)), _whole(1)
    for _ in range(whole):
        result = _product(result, a)
    return _quotient(_whole(1), result) if exponent < 0 else result


def _whole(number: int) -> Value:
    """A small whole number, which has no error."""
    return Value(complex(number), 0, Fraction(number))


def _letter(name: str) -> Value:
    """Letters stand for numbers without a simple relation; i and e for what they usually are."""
    if name == "i":
        return Value(1j, 0)
    if name == "e":
        return Value(complex(math.e), UNIT * math.e)
    spread = math.sqrt(1 + ord(name) * 1.37)
    return Value(complex(0.5 + spread / 7), 0)


class _Reader:
    """Recursive descent over the tokens of one expression."""

    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None or found.lastgroup is None:
                raise Refused
            if found.lastgroup != "space":
                self.tokens.append((found.lastgroup, found[0]))
            at = found.end()
        self.at, self.depth = 0, 0

    def peek(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def take(self, wanted: str | None = None) -> tuple[str, str]:
        if self.at >= len(self.tokens) or (wanted is not None and self.peek() != wanted):
            raise Refused
        self.at += 1
        return self.tokens[self.at - 1]

    def whole(self) -> Value:
        value = self.sum()
        if self.at != len(self.tokens):
            raise Refused
        return value

    def sum(self) -> Value:
        self.depth += 1
        if self.depth > DEPTH:
            raise Refused
        total = self.signed()
        while self.peek() in ("+", "-"):
            total = _sum(total, self.signed())
        self.depth -= 1
        return total

    def signed(self) -> Value:
        negative = False
        while self.peek() in ("+", "-"):
            negative ^= self.take()[1] == "-"
        value = self.product()
        return _product(_whole(-1), value) if negative else value

    def product(self) -> Value:
        value, divided = self.power(), False
        while True:
            sign = self.peek()
            if sign in ("*", "\\cdot"):
                if divided:
                    raise Refused  # a/b·c: by the rules (a/b)c, as people write it often a/(bc)
                self.take()
                value = _product(value, self.power())
            elif sign in ("/", "\\div"):
                if divided:
                    raise Refused
                self.take()
                value, divided = _quotient(value, self.power()), True
            elif self._begins_a_factor():
                if divided or self.tokens[self.at][0] in ("number", "mixed"):
                    raise Refused  # "2 3": one number or two
                value = _product(value, self.power())
            else:
                return value

    def _begins_a_factor(self) -> bool:
        if self.at >= len(self.tokens):
            return False
        kind, token = self.tokens[self.at]
        return kind in ("number", "mixed", "letter", "command") or token in ("(", "{", "[")

    def power(self) -> Value:
        base = self.atom()
        if self.peek() != "^":
            return base
        self.take()
        if self.peek() == "{":
            exponent = self.group("{", "}")
        else:
            kind, token = self.take()
            if kind not in ("number", "letter") or len(token) != 1:
                raise Refused
            exponent = _whole(int(token)) if kind == "number" else _letter(token)
        if self.peek() == "^":
            raise Refused
        return _power(base, exponent)

    def group(self, opening: str, closing: str) -> Value:
        self.take(opening)
        value = self.sum()
        self.take(closing)
        return value

    def argument(self) -> Value:
        """What a command is applied to: a group, or one figure, letter or command."""
        if self.peek() == "{":
            return self.group("{", "}")
        kind, token = self.tokens[self.at] if self.at < len(self.tokens) else ("", "")
        if kind in ("letter", "command") or (kind == "number" and len(token) == 1):
            return self.atom()
        raise Refused

    def atom(self) -> Value:
        self.depth += 1
        if self.depth > DEPTH:
            raise Refused
        kind, token = self.take()
        if kind == "number":
            value = _checked(complex(float(token)), 0.0, Fraction(token))
        elif kind == "mixed":
            parts = _MIXED.fullmatch(token)
            assert parts is not None
            whole, above, below = (_checked(complex(int(p)), 0.0, Fraction(p)) for p in parts.groups())
            value = _sum(whole, _quotient(above, below))
        elif kind == "letter":
            value = _letter(token)
        elif token in ("(", "{", "["):
            self.at -= 1
            value = self.group(token, {"(": ")", "{": "}", "[": "]"}[token])
        elif token == "\\pi":
            value = Value(complex(math.pi), UNIT * math.pi)
        elif token == "\\frac":
            value = _quotient(self.argument(), self.argument())
        elif token == "\\sqrt":
            value = _root(self.argument())
        else:
            raise Refused
        self.depth -= 1
        return value


def _value(text: str) -> Value:
    if len(text) > LONGEST or _WORD.search(text):
        raise Refused  # "sin" is no product of s, i and n
    try:
        return _Reader(text).whole()
    except (OverflowError, ZeroDivisionError):
        raise Refused from None


def equal_value(one: str, other: str) -> bool | None:
    """Whether two squeezed expressions are proved to be one number (True) or to differ (False); else None."""
    try:
        a, b = _value(one), _value(other)
    except Refused:
        return None
    if a.exact is not None and b.exact is not None:
        return a.exact == b.exact
    return False if _apart(a, b) else None


def _apart(a: Value, b: Value) -> bool:
    return cmath.isfinite(a.v - b.v) and abs(a.v - b.v) > 2 * (a.e + b.e)
