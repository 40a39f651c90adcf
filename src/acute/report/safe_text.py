"""Model output as text that cannot act: nothing invisible, nothing endless.

Escaping for HTML is the template's; what is left to do here is what escaping does not change:
characters that turn the reading direction, hide or break lines, and length.
"""

import html
import re
import unicodedata
from typing import NamedTuple

# control, format (bidi, zero width), surrogate, private use, unassigned; line and paragraph separators
INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_TURN = re.compile(r"<[|｜][^<>|｜\n]{1,40}[|｜]>")  # a chat template's marks: <|im_start|>, <｜User｜>
_ROLE = re.compile(r"^\s*(?:system|user|assistant)\s*(?:\n|$)")


class Clipped(NamedTuple):
    """The beginning of a text, made visible, and how long the whole is."""

    text: str
    length: int
    clipped: bool


def visible(text: str) -> str:
    """`text` with every invisible or direction-turning character written out, as ⟦U+202E⟧.

    Line feeds and tabs stay.

    >>> visible("a\\u202eb")
    'a⟦U+202E⟧b'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        f"⟦U+{ord(c):04X}⟧" if c not in "\n\t" and unicodedata.category(c) in INVISIBLE else c for c in text
    )


def clip(text: str, limit: int) -> Clipped:
    """The first `limit` characters of `text`, visible."""
    return Clipped(visible(text[:limit]), len(text), len(text) > limit)


def one_line(text: str, limit: int) -> str:
    """`text` on one line, visible, with an ellipsis where it was cut."""
    line = " ".join(text[: 4 * limit].split())
    return visible(line[:limit]) + ("…" if len(line) > limit or len(text) > 4 * limit else "")


def shorten(text: str, limit: int) -> str:
    """`text` cut in its middle: prompts of one family often differ only at their end.

    >>> shorten("In this puzzle + means multiply. What is 2 + 4?", 30)
    'In this … What is 2 + 4?'
    """
    if len(text) <= limit:
        return text
    head, tail = text[: limit // 3], text[len(text) - limit + limit // 3 + 3 :]
    return f"{head.rsplit(' ', 1)[0]} … {tail.split(' ', 1)[-1]}"


def label(prompt: str, limit: int) -> str:
    """What tells a rendered prompt from its neighbours: its last turn and what the answer begins with.

    >>> label("<|im_start|>user\\nWhat is 2 + 4?<|im_end|>\\n<|im_start|>assistant\\n2 + 4 =", 60)
    'What is 2 + 4? ▸ 2 + 4 ='
    """
    turns = [_ROLE.sub("", part).strip() for part in _TURN.split(prompt[-20_000:])]
    last = [turn for turn in turns if turn][-2:]
    return one_line(" ▸ ".join(last), limit) or "(empty prompt)"


def for_hover(text: str) -> str:
    """`text` for a plotly label, which reads a few HTML tags and entities: visible, and all of them inert."""
    return html.escape(visible(text), quote=False)
