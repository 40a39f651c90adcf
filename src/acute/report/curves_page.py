"""A plain page of curves that opens offline: of a training, or of several runs side by side."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from acute.report import html
from acute.report.curves import layout
from acute.report.figure_table import FigureTable, numbers_of
from acute.report.numbers import Json
from acute.report.safe_text import for_hover, one_line, visible
from acute.table import write_atomically

Curves = list[dict[str, Any]]
COLOURS = 6  # in the style sheet; beyond them dashes and symbols change
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "star", "cross")
DASHES = ("solid", "dash", "dot")
HEIGHT = 360
LONGEST_NAME = 48  # characters of a curve's name in a legend


def curve(name: str, x: Sequence[Any], y: Sequence[float | None], mode: str = "lines+markers") -> Json:
    """One curve by its name, as plain text; what is None is a gap."""
    return {
        "type": "scatter",
        "mode": mode,
        "name": for_hover(one_line(name, LONGEST_NAME)),
        "x": list(x),
        "y": list(y),
    }


def bars(up: Sequence[float | None], down: Sequence[float | None]) -> Json:
    """Error bars that reach so far above and below the curve."""
    return {
        "type": "data",
        "symmetric": False,
        "array": list(up),
        "arrayminus": list(down),
        "thickness": 1.2,
        "width": 3,
    }


def figures_of(drawn: Sequence[tuple[str, Curves]], x: Json) -> dict[str, tuple[str, Json]]:
    """(title, figure) by name; those without a point are left out. `x` is the x axis's layout."""
    with_points = [(title, curves) for title, curves in drawn if any(curve["x"] for curve in curves)]
    return {_slug(title): (title, _figure(curves, x)) for title, curves in with_points}


def _slug(title: str) -> str:
    """A title as the name of a file and of an anchor."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:60]


def _figure(curves: Curves, x: Json) -> Json:
    """Curves that differ in colour, in symbol and, where colours come again, in their dashes."""
    looks: list[Json] = [
        {
            "line": {
                "color": f"@series-{i % COLOURS + 1}",
                "width": 2,
                "dash": DASHES[i // COLOURS % len(DASHES)],
            },
            "marker": {"color": f"@series-{i % COLOURS + 1}", "symbol": SYMBOLS[i % len(SYMBOLS)], "size": 7},
        }
        for i in range(len(curves))
    ]
    for i, curve in enumerate(curves):
        if "error_y" in curve:  # where bars coincide, those below show on both sides of those above
            more = min(len(curves) - 1 - i, 3)
            looks[i]["error_y"] = curve["error_y"] | {"thickness": 1.2 * (1 + more), "width": 3 + 2 * more}
    return {
        "data": [{**curve, **look} for curve, look in zip(curves, looks, strict=True)],
        "layout": layout(x, {"title": {"text": ""}, "zeroline": True, "zerolinecolor": "@axis"}, HEIGHT),
    }


def write_curves_page(
    target: Path,
    title: str,
    about: str,
    figures: Sequence[tuple[str, Curves]],
    x: dict[str, Any],
    table: FigureTable | None = None,
) -> Path:
    """Write the page, whole or not at all: a table if there is one, then the figures with their numbers.

    Raises OutsideError where it cannot be written.
    """
    named = figures_of(figures, x)
    drawn = {name: figure for name, (_, figure) in named.items()}
    page = html.render(
        "curves.html",
        drawn,
        title=visible(title),
        about=visible(about),
        drawn=[(name, heading) for name, (heading, _) in named.items()],
        table=table,
        tables={name: found for name, figure in drawn.items() if (found := numbers_of(figure))},
    )
    write_atomically(target, page.encode("utf-8"))
    return target
