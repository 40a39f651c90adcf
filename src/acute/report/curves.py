"""Figures against k. A figure is plotly's JSON; a colour is a name of the page's palette, as "@run"."""

from collections.abc import Sequence
from math import log2
from typing import Any

from acute.report.numbers import Json, number, show, value_of
from acute.report.verdict import k_dagger, largest_k

HEIGHT = 320


def layout(x: Json, y: Json, height: int = HEIGHT, **more: Any) -> Json:
    """What all figures share: quiet grid, text in the page's own type, room for a legend above."""
    axis: Json = {
        "gridcolor": "@grid",
        "linecolor": "@axis",
        "zeroline": False,
        "ticks": "outside",
        "tickcolor": "@axis",
        "ticklen": 4,
        "automargin": True,
        "fixedrange": False,
        "title": {"standoff": 10, "font": {"size": 13}},
    }
    return {
        "height": height,
        "margin": {"l": 60, "r": 16, "t": 44, "b": 56},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "@font", "size": 12.5, "color": "@ink"},
        "hoverlabel": {
            "bgcolor": "@paper",
            "bordercolor": "@axis",
            "font": {"color": "@ink"},
            "align": "left",
        },
        "hovermode": "closest",
        "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"},
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": "@axis", "activecolor": "@ink"},
        "showlegend": True,
        "xaxis": {**axis, "showgrid": False, **x, "title": {**axis["title"], **x["title"]}},
        "yaxis": {**axis, **y, "title": {**axis["title"], **y["title"]}},
        **more,
    }


def k_axis(largest: int) -> Json:
    """A log-2 axis of k."""
    ticks = [2**j for j in range(int(log2(largest)) + 1)]
    if largest > 1.4 * ticks[-1]:
        ticks.append(largest)
    shown = ticks if len(ticks) <= 8 else ticks[:: len(ticks) // 8 + 1]
    return {
        "type": "log",
        "title": {"text": "k (log scale)"},
        "tickvals": shown,
        "ticktext": [f"{k:,}" for k in shown],
        "range": [-0.03 * log2(max(largest, 2)) * 0.301, log2(max(largest, 2)) * 0.30103 * 1.03],
    }


def zero_line() -> Json:
    """The line that conflict lies below."""
    line = {"color": "@axis", "width": 1.2}
    return {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": 0,
        "y1": 0,
        "line": line,
        "layer": "between",
    }


def _known(ks: Sequence[int], estimates: Sequence[Any]) -> list[tuple[int, Json]]:
    return [(k, e) for k, e in zip(ks, estimates, strict=False) if value_of(e) is not None]


def band(ks: Sequence[int], estimates: Sequence[Any], colour: str) -> list[Json]:
    """The 95 % band as a closed outline; nothing where no interval is known."""
    points = [
        (k, lo, hi)
        for k, e in _known(ks, estimates)
        if (lo := value_of(e, "lo")) is not None and (hi := value_of(e, "hi")) is not None
    ]
    if len(points) < 2:
        return []
    outline_x = [k for k, _, _ in points] + [k for k, _, _ in reversed(points)]
    outline_y = [hi for _, _, hi in points] + [lo for _, lo, _ in reversed(points)]
    look = {"fill": "toself", "fillcolor": f"@{colour}-band", "line": {"width": 0}, "mode": "lines"}
    return [
        {"type": "scatter", "x": outline_x, "y": outline_y, **look, "hoverinfo": "skip", "showlegend": False}
    ]


def line(ks: Sequence[int], estimates: Sequence[Any], name: str, colour: str, group: str) -> list[Json]:
    """The curve through every k that is known."""
    points = _known(ks, estimates)
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "name": name,
            "legendgroup": group,
            "showlegend": False,
            "x": [k for k, _ in points],
            "y": [e["value"] for _, e in points],
            "line": {"color": f"@{colour}", "width": 2.2},
            "hovertext": [_hover(name, k, e) for k, e in points],
            "hoverinfo": "text",
        }
    ]


def points(ks: Sequence[int], estimates: Sequence[Any], name: str, colour: str, symbol: str) -> list[Json]:
    """Markers at the k that were asked for; the legend's entry."""
    known = _known(ks, estimates)
    return [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": name,
            "legendgroup": name,
            "x": [k for k, _ in known],
            "y": [e["value"] for _, e in known],
            "line": {"color": f"@{colour}", "width": 2.2 if len(known) > 1 else 0},
            "marker": {"color": f"@{colour}", "size": 8, "symbol": symbol},
            "hovertext": [_hover(name, k, e) for k, e in known],
            "hoverinfo": "text",
        }
    ]


def _hover(name: str, k: int, estimate: Json) -> str:
    shown = show(estimate, signed=True)
    spread = f"95 % interval {shown.interval}" if shown.lo is not None else "no interval"
    return f"{name}, k = {k:,}<br><b>{shown.text}</b><br>{spread}"


def naive(ks: Sequence[int], values: Sequence[float | None], name: str, colour: str) -> list[Json]:
    """The estimate that multiplies a rollout with itself, for comparison."""
    known = [(k, v) for k, v in zip(ks, values, strict=False) if v is not None]
    return (
        [
            {
                "type": "scatter",
                "mode": "lines",
                "name": name,
                "x": [k for k, _ in known],
                "y": [v for _, v in known],
                "line": {"color": f"@{colour}", "width": 1.8, "dash": "dash"},
                "hovertext": [f"{name}, k = {k:,}<br><b>{number(v, signed=True)}</b>" for k, v in known],
                "hoverinfo": "text",
            }
        ]
        if known
        else []
    )


def _series(analysis: Json, what: str, name: str, colour: str, symbol: str) -> list[Json]:
    """Band, curve over every k, and markers at the k asked for, of one run."""
    asked, every = analysis["conflict"], analysis.get("curve")
    source = every or asked
    markers = points(asked["k"], asked[what], name, colour, symbol)
    if every:  # the markers' own line would cut the curve's corners; it stays for the legend's sake
        markers[0]["mode"] = "markers"
    return [
        *band(source["k"], source[what], colour),
        *(line(source["k"], source[what], name, colour, name) if every else []),
        *markers,
    ]


def _threshold(analysis: Json) -> tuple[list[Json], list[Json]]:
    """A mark at k†, with its interval shaded: shapes and annotations."""
    shown, largest = k_dagger(analysis), largest_k(analysis)
    if shown.value is None:
        return [], []
    shapes = [
        {
            "type": "line",
            "yref": "paper",
            "x0": shown.value,
            "x1": shown.value,
            "y0": 0,
            "y1": 1,
            "line": {"color": "@against", "width": 1.5, "dash": "dot"},
        }
    ]
    if shown.lo is not None or shown.hi is not None:
        ends = {"x0": shown.lo or 1, "x1": min(shown.hi or largest, largest)}
        look = {"fillcolor": "@against-band", "line": {"width": 0}, "layer": "below"}
        shapes.append({"type": "rect", "yref": "paper", "y0": 0, "y1": 1, **ends, **look})
    label = {
        "text": f"k† = {shown.text}",
        "x": log2(shown.value) * 0.30103,
        "xanchor": "right" if shown.value > largest**0.5 else "left",
        "xshift": -5 if shown.value > largest**0.5 else 5,
        "y": 0.01,
        "yref": "paper",
        "yanchor": "bottom",
        "showarrow": False,
        "font": {"color": "@against-text"},
    }
    return shapes, [label]


def _against_k(analysis: Json, control: Json | None, what: str, title: str) -> Json:
    traces = _series(control, what, "control", "control", "square") if control else []
    traces += naive(
        analysis["conflict"]["k"],
        analysis["conflict"].get(f"naive_{what}") or [],
        "naive",
        "naive",
    )
    traces += _series(analysis, what, "this run", "run", "circle")
    shapes, labels = _threshold(analysis)
    largest = max(largest_k(analysis), largest_k(control) if control else 1)
    y = {"title": {"text": title}}
    return {
        "data": traces,
        "layout": layout(k_axis(largest), y, shapes=[zero_line(), *shapes], annotations=labels),
    }


def cosine(analysis: Json, control: Json | None = None) -> Json:
    """The cosine of ∇J_k and ∇J_1 against k."""
    return _against_k(analysis, control, "cosine", "cosine of ∇J<sub>k</sub> and ∇J<sub>1</sub>")


def inner(analysis: Json, control: Json | None = None) -> Json:
    """The inner product ⟨∇J_k, ∇J_1⟩ against k."""
    return _against_k(analysis, control, "inner", "inner product ⟨∇J<sub>k</sub>, ∇J<sub>1</sub>⟩")


def pass_at_k(analysis: Json, control: Json | None = None) -> Json:
    """Pass@k of the prompts against k."""
    traces: list[Json] = []
    largest = 2
    for run, name, colour, symbol in (
        (control, "control", "control", "square"),
        (analysis, "this run", "run", "circle"),
    ):
        table = (run or {}).get("pass_at_k") or {}
        ks = sorted(map(int, table))
        estimates = [table[str(k)] for k in ks]
        if any(value_of(e) is not None for e in estimates):
            largest = max(largest, ks[-1])
            traces += band(ks, estimates, colour) + points(ks, estimates, name, colour, symbol)
    y = {"title": {"text": "pass@k"}, "range": [0, 1.02], "tickformat": ".0%"}
    return {"data": traces, "layout": layout(k_axis(largest), y)}
