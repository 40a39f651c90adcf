r"""What computer algebra would pass over in silence, so that an answer must not be given to it.

math-verify drops texts, the base of a number, primes and dots before it parses: 5_6, 5\text{ or six}, f'(x)
and "5, …" would be 5, 5, f(x) and 5. An answer with such a sign that the gold answer lacks has no form that
can be read, nor has one without a sign that the gold answer has.
"""

import re
from collections import Counter

from acute.verify.latex import spelled
from acute.verify.units import is_unit

_TEXT = re.compile(r"\\text ?\{([^{}]*)\}")
_TEXTS = re.compile(r"\\text(?![A-Za-z])")
_SIGNS = re.compile(r"(?<=[0-9)}\]])(?<!\\[{}]) ?_|'|\"|\\(?:ldots|dots|cdots|prime)(?![A-Za-z])|\.\.\.|…")
_AMOUNT_OF = re.compile(r"\\text ?\{([^{}]*)\}(?: ?\^ ?\{?[23]\}?)?")
_JOINS = frozenset(("and", "or", ""))


def overlooked(gold: str, answer: str) -> str | None:
    """What of the two answers algebra would drop from one of them alone, in words; None if nothing."""
    gold, answer = spelled(gold), spelled(answer)
    pieces = _TEXT.findall(answer)
    if len(pieces) < len(_TEXTS.findall(answer)):
        return "a text with brackets in it"
    known = {_plain(text) for text in _TEXT.findall(gold)} | _JOINS
    if odd := next((text for text in pieces if _plain(text) not in known and not is_unit(text)), None):
        return f"the text {odd.strip()[:80]!r}"
    more, fewer = _signs(answer) - _signs(gold), _signs(gold) - _signs(answer)
    return next((f"{kind} {sign!r}" for found, kind in ((more, "a"), (fewer, "no")) for sign in found), None)


def without_units(text: str) -> str:
    """A spelled formula without the texts that are units, and without one at its end, of whatever kind."""
    text = _AMOUNT_OF.sub(lambda found: "" if is_unit(found[1]) else found[0], text)
    at_end = list(_AMOUNT_OF.finditer(text))[-1:]
    if at_end and at_end[0].end() == len(text) and _plain(at_end[0][1]) not in _JOINS:
        return text[: at_end[0].start()] or text
    return text


def _plain(text: str) -> str:
    return " ".join(text.strip(" ,.").casefold().split())


def _signs(text: str) -> Counter[str]:
    return Counter(found[0].strip() for found in _SIGNS.finditer(text))
