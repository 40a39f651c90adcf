"""A final answer in a stated form: a number or a word.

The rule, strict on purpose (a lenient parser fakes pass@k where p is small):

1. If the response states its answer, the last statement counts: `\\boxed{X}`, `#### X`,
   `answer is X`, `answer: X`.
2. Otherwise the response must begin with the answer, as after a prefilled "23 + 48 =", and X must stand
   alone: the end, punctuation, or words may follow it, a further digit, letter or operator may not.
   "4^x", "10" for 1 and "6 + 2 = 8" are not answers 4, 1 and 6.

An X that touches the end of a response that was cut off is not an answer: it may have gone on.
"""

import re
from decimal import Decimal, InvalidOperation

from acute.verify.verdict import Verdict

_X = r"[-+]?\$?\d[\d,]*(?:\.\d+)?|[^\W\d_]+"
_STATED = re.compile(
    rf"(?:\\boxed\{{\s*|####\s*|\banswer\s*(?:is|:)\s*\**\s*(?:\\boxed\{{|\$)?\s*)(?P<x>{_X})", re.IGNORECASE
)
_BEGINS = re.compile(rf"\s*[\"'(*$]*(?P<x>{_X})")
_STANDS_ALONE = re.compile(r"""\s*(?:$|[.;:!?)"'\]}*$]+(?:\s|$|["'*)}$.])|,\s|\n|\s[^\W\d_])""")


def _same(found: str, answer: str) -> bool:
    """Equal as numbers if both are numbers, else as words without regard to case."""
    plain = [text.strip().replace(",", "").replace("$", "") for text in (found, answer)]
    try:
        return Decimal(plain[0]) == Decimal(plain[1])
    except InvalidOperation:
        return plain[0].casefold() == plain[1].casefold()


def short(response: str, answer: str, finish: str) -> Verdict:
    """Reward 1 if the response's final answer, read by the rule above, equals `answer`.

    `finish` is how sampling ended (eos | stop | length). No answer in the stated form: outcome
    `wrong_form`, reward 0.
    """
    stated = list(_STATED.finditer(response))
    found = stated[-1] if stated else _BEGINS.match(response)
    if found is None or (finish == "length" and found.end() == len(response)):
        return Verdict("wrong_form", 0.0, None)
    if not _STANDS_ALONE.match(response, found.end()):
        return Verdict("wrong_form", 0.0, None)
    return Verdict("ok", float(_same(found["x"], answer)), found["x"])
