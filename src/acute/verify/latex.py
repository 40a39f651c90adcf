"""One spelling for what LaTeX and Unicode spell in many ways. Nothing is computed here.

Every step is one pass over the text, or a few, so time grows with its length alone.
"""

import re

NESTED = 4  # roots inside roots that are read where they have no backslash

_CHARACTERS = str.maketrans(
    {
        "−": "-",
        "–": "-",
        "∞": r"\infty ",
        "π": r"\pi ",
        "°": "",
        "≤": r"\le ",
        "≥": r"\ge ",
        "×": r"\cdot ",
        "·": r"\cdot ",
        "⋅": r"\cdot ",
        "∪": r"\cup ",
        "∈": r"\in ",
        "±": r"\pm ",
        "²": "^2",
        "³": "^3",
        "½": r"\frac{1}{2}",
        "\u200b": "",
        "，": ",",
        "\u00a0": " ",
        "\u2009": " ",
        "\u202f": " ",
    }
)
_NAMES = {
    "dfrac": "frac",
    "tfrac": "frac",
    "cfrac": "frac",
    "leq": "le",
    "leqslant": "le",
    "geq": "ge",
    "geqslant": "ge",
    "times": "cdot",
    "ast": "cdot",
    "infin": "infty",
    "varnothing": "emptyset",
    "lbrace": "{",
    "rbrace": "}",
    "lbrack": "[",
    "rbrack": "]",
    "bmatrix": "pmatrix",
    **dict.fromkeys(("mbox", "hbox", "emph", "operatorname", "textbf", "textit", "textrm", "texttt"), "text"),
    **dict.fromkeys(("textnormal", "mathrm", "mathbf", "mathit", "mathsf"), "text"),
}
_SIZES = (size + side for size in ("big", "Big", "bigg", "Bigg") for side in ("", "l", "r", "m"))
_STYLES = ("displaystyle", "textstyle", "scriptstyle", "limits", "nolimits", "centering", "boxed", "fbox")
_SPACING = ("quad", "qquad", "thinspace")
_GONE = frozenset(("left", "right", "middle", "degree", *_SIZES, *_STYLES, *_SPACING))
_COMMAND = re.compile(r"\\([A-Za-z]+)\s*|\\([^A-Za-z])")
_DELIMITER = re.compile(r"(?<!\\)\$+|\\[()\[\]]")
_THOUSANDS = re.compile(r"(?<=[0-9])(?:,\s*\\!|\{,\}|\\,)\s*(?=[0-9]{3}(?![0-9]))")
_DEGREES = re.compile(r"\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![A-Za-z]))")
_BRACED = re.compile(r"([\^_])\s*\{([A-Za-z0-9])\}(?![A-Za-z0-9])")
_FRACTION = re.compile(r"\\frac\s*(\{[^{}]*\}|[0-9]|[A-Za-z]|\\pi )\s*(\{[^{}]*\}|[0-9]|[A-Za-z]|\\pi )?")
_ROOT = re.compile(r"\\sqrt\s*([0-9]|[A-Za-z])")
_PLAIN_ROOT = re.compile(
    r"(?<![A-Za-z\\])sqrt ?(?:\(([^()]*)\)|\{([^{}]*)\}|([0-9]+(?![0-9.])|[A-Za-z](?![A-Za-z])))"
)
_ROOT_SIGN = re.compile(r"√ ?(?:\(([^()]*)\)|([0-9]+|[A-Za-z]))")
_PLAIN_NAME = re.compile(r"(?<![A-Za-z\\{])(pi|infinity)(?![A-Za-z}])")
# functions that are written without a backslash, or as text, and that something follows
_FUNCTION = r"ln|log|sin|cos|tan|cot|csc|arcsin|arccos|arctan|sinh|cosh|tanh"
_PLAIN_FUNCTION = re.compile(
    rf"(?:(?<![A-Za-z\\])({_FUNCTION})(?![A-Za-z])|\\text ?\{{ ?({_FUNCTION}) ?\}})(?= ?[({{|\\0-9A-Za-z^_])"
)
_UPRIGHT = re.compile(r"\\text ?\{ ?([ei]) ?\}")
_TIMES = re.compile(r"(?<=[0-9.]) ?[xX] ?(?=10 ?\^)")
_UNEQUAL = re.compile(r"(?<![0-9)\]}])!=|=/=|/=|<>|\\not ?=")
_SPACES = re.compile(r"\s+")
_ENDS_IN_COMMAND = re.compile(r"\\[A-Za-z]+\Z")


def _command(found: re.Match[str]) -> str:
    name, sign = found[1], found[2]
    if name is None:
        if sign == "%":
            return "%"
        return "" if sign in "!,;:>$" else " " if sign in " \n\t~" else found[0]
    if name in _GONE:
        return ""
    name = _NAMES.get(name, name)
    return f"\\{name}" if not name.isalpha() or name == "text" else f"\\{name} "


def _fraction(found: re.Match[str]) -> str:
    above, below = (
        part if part is None or part.startswith("{") else f"{{{part.strip()}}}" for part in found.groups()
    )
    return rf"\frac {above}{below or ''}"


def _plain_root(found: re.Match[str]) -> str:
    return rf"\sqrt{{{found[1] or found[2] or found[3] or ''}}}"


def spelled(text: str) -> str:
    """`text` in one spelling: no math delimiters, no sizes, no fine spaces, one name a command.

    Spaces stay, one at most, since they part a number from its unit.
    """
    text = _THOUSANDS.sub(",", text.translate(_CHARACTERS).replace("~", " "))
    text = _DEGREES.sub("", _DELIMITER.sub("", text))
    text = _TIMES.sub(r"\\cdot ", _UNEQUAL.sub(r"\\ne ", text))
    for _ in range(NESTED):
        text, roots = _PLAIN_ROOT.subn(_plain_root, text)
        if not roots:
            break
    text = _ROOT_SIGN.sub(lambda found: rf"\sqrt{{{found[1] or found[2]}}}", text)
    text = _PLAIN_NAME.sub(lambda found: r"\pi " if found[1] == "pi" else r"\infty ", text)
    text = _COMMAND.sub(_command, text.replace("{bmatrix}", "{pmatrix}"))
    text = _PLAIN_FUNCTION.sub(lambda found: f"\\{found[1] or found[2]} ", _UPRIGHT.sub(r"\1", text))
    text = _ROOT.sub(r"\\sqrt {\1}", _FRACTION.sub(_fraction, text))
    return _SPACES.sub(" ", text).lstrip().rstrip(" .,;:")


def squeezed(text: str) -> str:
    """A `spelled` text without spaces, but one between a command and a letter, or between figures."""
    return _BRACED.sub(r"\1\2", _close_up(text))


def _close_up(text: str) -> str:
    """Take out every space that parts neither a command from a letter nor two figures."""
    parts = text.split(" ")
    kept = [parts[0]] if parts else []
    for part in parts[1:]:
        needed = part[:1].isdigit() and kept[-1][-1:].isdigit()  # "2 3" is not 23
        needed |= part[:1].isalpha() and _ENDS_IN_COMMAND.search(kept[-1]) is not None
        kept.append(f" {part}" if needed else part)
    return "".join(kept)
