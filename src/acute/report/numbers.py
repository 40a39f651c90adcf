"""How numbers are written: digits from the error, a true minus, a dash with a reason for the unknown."""

from math import floor, isfinite, log10
from typing import Any, NamedTuple

Json = dict[str, Any]

UNKNOWN = "could not be estimated"
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
LOPSIDED = 40  # times the error: wider is no interval of Student's t
MOST_DIGITS = 5  # of a number whose error is very small


class Shown(NamedTuple):
    """An estimate ready to print. `value` is None where there is nothing to print but `reason`."""

    text: str
    interval: str
    value: float | None = None
    lo: float | None = None
    hi: float | None = None
    reason: str = ""

    def __str__(self) -> str:
        if self.value is None:
            return f"—  ({self.reason})"
        return f"{self.text} ({self.interval})" if self.interval else self.text


def value_of(estimate: Json | None, member: str = "value") -> float | None:
    """One member of an estimate, None where the estimate or the member is unknown."""
    found = None if estimate is None else estimate.get(member)
    return None if found is None else float(found)


def number(value: float, error: float | None = None, signed: bool = False) -> str:
    """A number with two digits of its error, or three digits in all where there is no error.

    >>> number(-0.27134, 0.0462), number(0.5), number(-2.31e-6, 4e-7)
    ('−0.271', '0.5', '−2.31·10⁻⁶')
    """
    if not isfinite(value):
        return "∞" if value > 0 else "−∞"
    size = max(abs(value), error or 0.0)
    if size and not 1e-3 <= size < 1e5:
        exponent = floor(log10(size))
        if not value:
            return "0"
        scaled = number(value / 10.0**exponent, (error or 0.0) / 10.0**exponent, signed)
        if scaled.strip("0.") == "":
            return "0"
        return f"{scaled}·10{str(exponent).translate(_SUPERSCRIPT)}"
    text = f"{value:+.{_places(value, error)}f}" if signed else f"{value:.{_places(value, error)}f}"
    if float(text) == 0:
        text = text.lstrip("+-")
    if not error and "." in text:
        text = text.rstrip("0").rstrip(".")
    return text.replace("-", "−")


def _places(value: float, error: float | None) -> int:
    """Digits after the point."""
    leading = floor(log10(abs(value))) if value else 0
    if not error:
        return max(0, 2 - leading)
    most = max(0, MOST_DIGITS - 1 - max(leading, floor(log10(error))))
    return min(max(0, 1 - floor(log10(error))), most)


def show(estimate: Json | None, reason: str = UNKNOWN, signed: bool = False) -> Shown:
    """An estimate as text and interval. A `reason` that the estimate itself carries comes first."""
    value = value_of(estimate)
    if estimate is None or value is None:
        return Shown("—", "", reason=str((estimate or {}).get("reason") or reason))
    error, lo, hi = (value_of(estimate, member) for member in ("se", "lo", "hi"))
    if error is None and lo is not None and hi is not None:
        error = (hi - lo) / 4
    if error is not None and lo is not None and hi is not None:
        error = min(error, hi - lo)  # an interval that is cut, as a cosine's at ±1, tells more than its error
        if hi - lo > LOPSIDED * error:  # as of a weight near 0: the error is that of its lower end
            error = (hi - lo) / 4
    interval = "no interval" if lo is None or hi is None else between(lo, hi, error, signed)
    return Shown(number(value, error, signed), interval, value, lo, hi)


def between(lo: float, hi: float, error: float | None = None, signed: bool = False) -> str:
    """The two ends of an interval: "−0.36 to −0.18"."""
    return f"{number(lo, error, signed)} to {number(hi, error, signed)}"


def show_k(estimate: Json | None, largest: int, reason: str) -> Shown:
    """A threshold in k. An end that is unknown lies beyond the largest k that was looked at."""
    value = value_of(estimate)
    if value is None:
        return Shown("—", "", reason=str((estimate or {}).get("reason") or reason))
    lo, hi = value_of(estimate, "lo"), value_of(estimate, "hi")
    beyond = f"beyond {largest:,}"
    if lo is None and hi is None:
        return Shown(_whole(value), "no interval", value)
    low = "1" if lo is None else _whole(lo)
    high = beyond if hi is None or not isfinite(hi) else _whole(hi)
    return Shown(_whole(value), f"{low} to {high}", value, lo, hi)


def _whole(k: float) -> str:
    """A k: whole numbers as such, others with one digit."""
    return f"{k:,.0f}" if k == round(k) else f"{k:,.1f}"


def p_value(p: float | None) -> str:
    """A p-value: two digits, and no claim below 10⁻⁶, where a normal approximation means nothing."""
    if p is None:
        return "—"
    if p < 1e-6:
        return "< 10⁻⁶"
    if p > 0.9995:
        return "> 0.999"
    return f"{p:.3f}" if p >= 0.001 else number(float(f"{p:.1e}"))


def count(amount: float, one: str, many: str | None = None) -> str:
    """ "1 prompt", "4,608 responses"."""
    return f"{amount:,.0f} {one if amount == 1 else many or one + 's'}"


def listed(items: list[str]) -> str:
    """Items as a sentence has them: "a", "a and b", "a, b and c"."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else ""
