"""A final answer in a stated form: a number or a word.

The rule, strict on purpose (a lenient parser fakes pass@k where p is small):

1. If the response states its answer, the last statement counts, readable or not: `\\boxed{X}`,
   `#### X`, `answer is X`, `answer: X`.
2. Otherwise the response must begin with the answer, as after a prefilled "23 + 48 =". A numbered list
   ("1. First …") is no answer 1.
3. X must stand alone. The end, a line break, or punctuation may follow it; after a number, or after a
   word in quotes, also words ("5 pens"), unless they count, combine or compute: no figure and no operator
   may stand in the same clause. "4^x", "10" for 1, "6 * 2 = 12" and "3,4" are not answers 4, 1, 6 and 34.

A response that was cut off must have gone past its answer: "4", "4." and "4 mil" may have gone on.
"""

import re
from collections import deque
from decimal import Decimal

from acute.verify.verdict import Verdict

_NUMBER = r"[-+−]?\$?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?"
_X = rf"(?:(?P<number>{_NUMBER})|(?P<word>[^\W\d_]+))"
_IN_FORM = re.compile(_X)
_STATEMENT = re.compile(r"(?P<boxed>\\boxed\{)|####|\banswer\s*(?:is\b(?:\s*:)?|:)", re.IGNORECASE)
_BOXED = re.compile(rf"[\s\\$]*{_X}[\s\\$]*\}}")
_OPEN = re.compile(rf"[\s\"'“‘(*$`]*{_X}")
_NUMBERED_LIST = re.compile(r"\s*1[.)]\s+\S")
# possessive quantifiers (*+, ++): what was read is never read again, so time grows with the length alone
_AFTER = re.compile(
    r"""
    (?P<closed>["'”’)\]}*$`]*+)
    (?: (?P<line>[ \t\r]*\n) (?! \s*[=+*/^×÷−-]+\s*[0-9] )            # no sum written in a column
      | \s*\Z
      | [ ]?[.?]++ ["'”’)\]}*$`]*+ (?=\s|\Z)
      | ! ["'”’)\]}*$`]*+ (?=\s|\Z) (?! \s*[=+*/^×÷−-] )              # no factorial
      | [,;:] (?=\s|\Z) (?! \s*[-+−$]?[0-9] )                         # no list
      | (?P<words>[ \t]++ (?=[^\W\d_])
          (?! (?:and|or|plus|minus|times|x|squared|cubed|dozen|hundred|thousand|[mbtr]+illion)s?\b )
          [^.,;:!?\n\d=+*/^×÷<>%]*+ (?=[.,;:!?\n]|\Z) )
    )
    """,
    re.VERBOSE | re.IGNORECASE,
)


def is_short(answer: str) -> bool:
    """Whether an answer is one that this verifier can find: a number or a word."""
    return _IN_FORM.fullmatch(answer.strip()) is not None


def _value(text: str) -> Decimal | str:
    """A number as its value, a word without regard to case."""
    text = text.strip()
    if re.fullmatch(_NUMBER, text):
        return Decimal(text.replace(",", "").replace("$", "").replace("−", "-"))
    return text.casefold()


def _answer(response: str, cut_off: bool) -> str | None:
    """The X of the rule, or None where the response has no answer in the form."""
    statement = next(iter(deque(_STATEMENT.finditer(response), maxlen=1)), None)
    start = statement.end() if statement else 0
    if statement and statement["boxed"]:
        found = _BOXED.match(response, start)
        return found and (found["number"] or found["word"])
    found = _OPEN.match(response, start)
    after = _AFTER.match(response, found.end()) if found else None
    if found is None or after is None:
        return None
    if statement is None and _NUMBERED_LIST.match(response):
        return None
    if found["word"] and after["words"] and not after["closed"]:
        return None  # "a number", "green tea": a word among words is not alone
    settled = after["line"] or (found["word"] and after["closed"])
    if cut_off and after.end() == len(response) and not settled:
        return None
    return found["number"] or found["word"]


def short(response: str, answer: str, finish: str) -> Verdict:
    """Reward 1 if the response's final answer, read by the rule above, equals `answer`.

    Numbers are compared as numbers. `finish` is how sampling ended (eos | stop | length). No answer in the
    stated form: outcome `wrong_form`, reward 0.
    """
    found = _answer(response, finish == "length")
    if found is None:
        return Verdict("wrong_form", 0.0, None)
    return Verdict("ok", float(_value(found) == _value(answer)), found)
