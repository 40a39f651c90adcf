"""The numbers of a figure as a table: for who cannot see the figure, and who wants to copy them."""

import html
import re
from typing import Any, NamedTuple

import numpy as np

from acute.report.numbers import Json, between, number

MOST_ROWS = 200  # of one table; a longer figure is told at rows spread evenly over it
MOST_NAMES = 24  # of a heat map as a table
_TAG = re.compile(r"</?(?:sub|sup|b)>|<br>")


class FigureTable(NamedTuple):
    """Headings and rows of text; `note` says what is not in them."""

    headings: list[str]
    rows: list[list[str]]
    note: str = ""


def numbers_of(figure: Json) -> FigureTable | None:
    """The table of a figure of curves, bars or cells; None where it draws nothing or too much for a table."""
    drawn = [t for t in figure["data"] if t.get("hoverinfo") != "skip" and any(v is not None for v in t["y"])]
    if not drawn:
        return None
    if drawn[0]["type"] == "heatmap":
        return _of_cells(drawn[0])
    title = _plain(figure["layout"]["xaxis"]["title"]["text"]).removesuffix(" (log scale)")
    return _of_series(title, drawn)


def _plain(label: str) -> str:
    """A label of plotly's as text: its tags gone, its entities read."""
    return html.unescape(_TAG.sub("", label))


def _of_cells(trace: Json) -> FigureTable | None:
    names = trace.get("meta", {}).get("names") or trace["x"]
    if len(names) > MOST_NAMES:
        return None
    plain = [_plain(str(name)) for name in names]
    cells = [["—" if v is None else number(v, signed=True) for v in row] for row in trace["z"]]
    return FigureTable(["", *plain], [[name, *row] for name, row in zip(plain, cells, strict=True)])


def _of_series(title: str, traces: list[Json]) -> FigureTable:
    """A row an x, a column a series."""
    places = sorted({x for t in traces for x in t["x"]})
    keep = np.unique(np.linspace(0, len(places) - 1, min(len(places), MOST_ROWS)).round().astype(int))
    columns = [{x: _cell(t, i) for i, x in enumerate(t["x"])} for t in traces]
    width = traces[0].get("width")
    rows = [[_place(places[i], width), *(column.get(places[i], "—") for column in columns)] for i in keep]
    note = f"{len(keep)} of {len(places):,} rows, spread evenly." if len(keep) < len(places) else ""
    return FigureTable([title, *(_plain(t["name"]) for t in traces)], rows, note)


def _place(x: float, width: float | None) -> str:
    """An x, or the stretch that a bar covers."""
    if width is not None:
        return between(x - width / 2, x + width / 2, width)
    return f"{x:,}" if isinstance(x, int) else number(x)


def _cell(trace: Json, i: int) -> str:
    y = trace["y"][i]
    if y is None:
        return "—"
    bars: dict[str, Any] = trace.get("error_y") or {}
    up, down = (bars.get(side, ())[i : i + 1] for side in ("array", "arrayminus"))
    if not up or up[0] is None or not down or down[0] is None:
        return f"{y:,}" if isinstance(y, int) else number(y)
    error = (up[0] + down[0]) / 4
    return f"{number(y, error)} ({between(y - down[0], y + up[0], error)})"
