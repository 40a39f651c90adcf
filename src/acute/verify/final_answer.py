"""Where a response states its final answer.

The rule, for text that runs from the assistant's first word (a prefilled beginning included):

1. The last `\\boxed{…}` (or `\\fbox{…}`) whose braces balance. A response cut off inside a later box has
   none.
2. Otherwise the last statement of the form `final answer is X`, `answer is X`, `answer: X` or `#### X`. X
   goes to the closing delimiter where it opens with `$`, `\\(` or `\\[` and no second formula is joined to it
   ("$5$ or $6$"); otherwise to the end of the line, of the sentence, or to a word that begins a reason
   ("because", "since", …). A response cut off at X has none.
3. Otherwise what the settings say: none; the last number; or the whole response.

A statement counts only if it ends in the response itself, not in the prefilled beginning.
"""

import re
from collections import deque
from typing import Literal

Fallback = Literal["none", "last-number", "whole"]

_BRACES = re.compile(r"\\(?:boxed|fbox)\s*\{|\\.|[{}]", re.DOTALL)
_STATEMENT = re.compile(r"####|\banswer\s*(?:is\b(?:\s*:)?|:)", re.IGNORECASE)
_OPENING = re.compile(r"[\s*_\"'“‘`]*")
_DELIMITERS = {"$$": "$$", "$": "$", "\\(": "\\)", "\\[": "\\]"}
_JOINED = re.compile(
    r"\s*(?:,?\s*(?:or|and)\s+(?:(?:also|maybe|perhaps|possibly)\s+)?|,\s*)(?:\$|\\[(\[])", re.IGNORECASE
)
_END = re.compile(
    r"\n|[.!?;](?=[\s*_\"'”’`]|\Z)|,?\s+(?:because|since|so|as|which|where|hence|therefore|thus|i)\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"[-−]?(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?(?:/[0-9]+)?|[-−]?\.[0-9]+"
)
_CLOSING = " \t\r\n*_\"'“”‘’`"


def _boxed(text: str) -> tuple[int, int, bool]:
    """Start and end of what the last balanced box holds (-1, -1: none), and whether a later box is open."""
    opened: list[tuple[int, bool]] = []
    start = end = -1
    for found in _BRACES.finditer(text):
        token = found[0]
        if token == "}":
            if opened:
                begun, is_box = opened.pop()
                if is_box:
                    start, end = begun, found.start()
        elif token == "{":
            opened.append((found.end(), False))
        elif token.endswith("{") and len(token) > 2:
            opened.append((found.end(), True))
    return start, end, any(is_box and begun > end for begun, is_box in opened)


def _stated(text: str, at: int) -> tuple[int, int]:
    """Start and end of the X of a statement that was read up to `at`."""
    opening = _OPENING.match(text, at)
    start = opening.end() if opening else at
    for opener, closer in _DELIMITERS.items():
        if text.startswith(opener, start):
            inside = start + len(opener)
            end = text.find(closer, inside)
            if end >= 0 and not _JOINED.match(text, end + len(closer)):
                return inside, end
            break
    ending = _END.search(text, start)
    return start, ending.start() if ending else len(text)


def final_answer(text: str, begun: int, cut_off: bool, fallback: Fallback = "none") -> str | None:
    """The final answer by the rule above, without what surrounds it, or None.

    `begun` characters of `text` were prefilled; `cut_off`: it ended at the length limit.
    """
    start, end, open_box = _boxed(text)
    if open_box and cut_off:
        return None
    if end >= begun and start >= 0:
        return text[start:end].strip() or None
    statement = next(iter(deque(_STATEMENT.finditer(text), maxlen=1)), None)
    if statement is not None:
        start, end = _stated(text, statement.end())
        if end >= len(text) and cut_off:
            return None
        if end > begun:
            return text[start:end].strip(_CLOSING) or None
    if fallback == "whole":
        return None if cut_off else text[begun:].strip(_CLOSING) or None
    if fallback == "last-number":
        number = next(iter(deque(_NUMBER.finditer(text, begun), maxlen=1)), None)
        if number is not None and not (cut_off and number.end() == len(text)):
            return number[0]
    return None
