"""What all pages share: one style sheet, one plotly, and a policy that lets nothing else run.

A page extends `base.html` and hands its figures over as plotly's JSON, with colours as names of the
style sheet's palette ("@run").
"""

import base64
import hashlib
import re
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from plotly.offline import get_plotlyjs

from acute.errors import OutsideError
from acute.report.numbers import Json, count
from acute.report.safe_text import shorten


def render(template: str, figures: dict[str, Json], scripts: tuple[str, ...] = (), **context: Any) -> str:
    """The page as text: `template` of this package, with `figures` by name and further scripts of ours.

    Raises OutsideError for a script that cannot stand inside a page.
    """
    ours = [_script(text) for text in (get_plotlyjs(), *map(asset, ("figures.js", *scripts)))]
    return (
        environment()
        .get_template(template)
        .render(
            **context,
            figures=figures,
            scripts=ours,
            script_policy=" ".join(["script-src", *map(_hash, ours)]),
            css=Markup(asset("page.css")),
        )
    )


def environment() -> Environment:
    """Where templates of this package are read: everything escaped, nothing missing passed over."""
    made = Environment(
        loader=PackageLoader("acute.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(count=count, shorten=shorten, set_well=_set_well, interval_kept=_interval_kept)
    return made


def asset(name: str) -> str:
    """A style sheet or a script of this package."""
    return files("acute.report").joinpath(name).read_text(encoding="utf-8")


def _set_well(sentence: str) -> Markup:
    """A sentence of ours, with its J_k as an index and its "k = 8" on one line."""
    kept = str(escape(sentence)).replace("k = ", "k\u00a0=\u00a0")
    return Markup(re.sub(r"J_(k|\d+)", r"J<sub>\1</sub>", kept))


def _interval_kept(cell: str) -> Markup:
    """A table's cell with its interval small, below the value and on one line."""
    value, opening, interval = cell.removesuffix(")").partition(" (")
    if not opening or not cell.endswith(")"):
        return escape(cell)
    return Markup('{} <span class="ci">{}</span>').format(value, interval)


def _script(text: str) -> Markup:
    """A script of ours for the inside of a script element."""
    if "</script" in text.lower():
        raise OutsideError("a script of the report holds '</script': it cannot stand inside a page")
    return Markup(text.replace("\r\n", "\n"))


def _hash(script: str) -> str:
    """What the page's policy allows to run: these very bytes, nothing that a model wrote."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
