"""Figures of single prompts: agreement, weight and contribution (Figs. 6 and 7 of arXiv 2602.21189)."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from acute.report.curves import layout, zero_line
from acute.report.numbers import Json, between, number, show, value_of
from acute.report.safe_text import for_hover, one_line, visible

EASY, HARD = 0.85, 0.10  # δ1 and δ2 of the paper's main setting
MOST_ERROR_BARS = 300  # beyond this they hide the points
MOST_FAMILIES = 6  # that symbols can tell apart
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star")
BINS = 24


class Levels(NamedTuple):
    """Where prompts count as hard and as easy."""

    hard: float
    easy: float

    def of(self, p: float | None) -> str | None:
        """The group of a prompt; None where p is unknown."""
        if p is None:
            return None
        return "hard" if p < self.hard else "easy" if p > self.easy else "between"

    def names(self) -> dict[str, str]:
        """Groups in order of p, as legends name them."""
        return {
            "hard": f"hard (p < {self.hard:g})",
            "between": "between",
            "easy": f"easy (p > {self.easy:g})",
        }


def levels(run: Json) -> Levels:
    """The run's own filter if it has one, the paper's otherwise."""
    asked = (run.get("config") or {}).get("analyse") or {}
    hard, easy = asked.get("hard"), asked.get("easy")
    return Levels(HARD if hard is None else hard, EASY if easy is None else easy)


def agreement_against_p(rows: Sequence[Json], labels: dict[str, str]) -> Json:
    """Agreement against p, |weight| as size (Fig. 7). Colour: on which side of 0 the interval lies."""
    known = [r for r in rows if value_of(r.get("agreement")) is not None and value_of(r.get("p")) is not None]
    families = list(dict.fromkeys(str(r.get("family") or "") for r in known))
    by_symbol = len(families) <= MOST_FAMILIES
    heaviest = max((abs(value_of(r.get("weight")) or 0) for r in known), default=0) or 1
    traces = []
    for index, family in enumerate(families if by_symbol else families[:1]):
        members = [r for r in known if not by_symbol or str(r.get("family") or "") == family]
        symbol = SYMBOLS[index] if by_symbol else SYMBOLS[0]
        traces += [_scatter(members, labels, family, symbol, heaviest), _legend_entry(family, symbol)]
    return {
        "data": traces,
        "layout": layout(
            {"title": {"text": "pass@1 of the prompt, p"}, "range": [-0.03, 1.03]},
            {"title": {"text": "agreement a"}},
            height=400,
            shapes=[zero_line()],
            showlegend=by_symbol and len(families) > 1,
        ),
    }


def _scatter(rows: Sequence[Json], labels: dict[str, str], family: str, symbol: str, heaviest: float) -> Json:
    weights = [abs(value_of(r.get("weight")) or 0) for r in rows]
    few = len(rows) <= MOST_ERROR_BARS
    trace: Json = {
        "type": "scatter",
        "mode": "markers",
        "name": _family(family),
        "legendgroup": _family(family),
        "showlegend": False,
        "x": [r["p"]["value"] for r in rows],
        "y": [r["agreement"]["value"] for r in rows],
        "customdata": [visible(r["prompt_id"]) for r in rows],
        "hovertext": [_hover(r, labels) for r in rows],
        "hoverinfo": "text",
        "marker": {
            "symbol": symbol,
            "size": [round((7 if few else 4) + 13 * (w / heaviest) ** 0.5, 1) for w in weights],
            "color": [side(r["agreement"]) for r in rows],
            "line": {"color": "@paper", "width": 1 if few else 0.3},
            "opacity": 0.8 if few else 0.55,
        },
    }
    if few:
        trace["error_y"] = _bars(rows, "agreement")
        trace["error_x"] = _bars(rows, "p")
    return trace


def _family(name: str) -> str:
    return for_hover(one_line(name, 40)) or "no family"


def _legend_entry(family: str, symbol: str) -> Json:
    """A symbol without a colour: colour says the side of 0, not the family."""
    look = {"marker": {"symbol": symbol, "size": 9, "color": "@axis"}, "mode": "markers"}
    return {
        "type": "scatter",
        "x": [None],
        "y": [None],
        "name": _family(family),
        "legendgroup": _family(family),
        **look,
    }


def _bars(rows: Sequence[Json], name: str) -> Json:
    """Error bars to the ends of the intervals; none where an end is unknown."""

    def reach(row: Json, end: str, sign: int) -> float:
        limit = value_of(row[name], end)
        return 0.0 if limit is None else max(0.0, sign * (limit - row[name]["value"]))

    return {
        "type": "data",
        "symmetric": False,
        "array": [reach(r, "hi", 1) for r in rows],
        "arrayminus": [reach(r, "lo", -1) for r in rows],
        "color": "@error",
        "thickness": 1,
        "width": 0,
    }


def side(estimate: Json) -> str:
    """The palette's name for: wholly below 0, wholly above, or neither."""
    lo, hi = value_of(estimate, "lo"), value_of(estimate, "hi")
    return "@against" if hi is not None and hi < 0 else "@for" if lo is not None and lo > 0 else "@neutral"


def _hover(row: Json, labels: dict[str, str]) -> str:
    def entry(name: str, signed: bool = False) -> str:
        shown = show(row.get(name), signed=signed)
        return f"{shown.text} ({shown.interval})" if shown.interval else shown.text

    prompt = for_hover(labels.get(row["prompt_id"]) or visible(str(row["prompt_id"])))
    return (
        f"<b>{prompt}</b><br>p {entry('p')}<br>weight {entry('weight')}<br>"
        f"agreement {entry('agreement', True)}"
    )


def weight_by_p(rows: Sequence[Json], labels: dict[str, str], k: int) -> Json:
    """Weights against pass@1 (Fig. 6B), with the exact weight k (1 − p)^(k−1) as a line."""
    known = [r for r in rows if value_of(r.get("weight")) is not None and value_of(r.get("p")) is not None]
    grid = np.linspace(0, 1, 201)
    exact = {
        "type": "scatter",
        "mode": "lines",
        "name": "k (1 − p)<sup>k − 1</sup>",
        "x": grid.round(4).tolist(),
        "y": (k * (1 - grid) ** (k - 1)).round(6).tolist(),
        "line": {"color": "@axis", "width": 1.3},
        "hoverinfo": "skip",
    }
    dots = {
        "type": "scatter",
        "mode": "markers",
        "name": "prompts",
        "x": [r["p"]["value"] for r in known],
        "y": [r["weight"]["value"] for r in known],
        "customdata": [visible(r["prompt_id"]) for r in known],
        "hovertext": [_hover(r, labels) for r in known],
        "hoverinfo": "text",
        "marker": {"color": "@run", "size": 5, "opacity": 0.4},
    }
    if len(known) <= MOST_ERROR_BARS:
        dots["marker"] = {
            "color": "@run",
            "size": 8,
            "opacity": 0.75,
            "line": {"color": "@paper", "width": 1},
        }
        dots["error_y"] = _bars(known, "weight")
    x = {"title": {"text": "pass@1 of the prompt, p"}, "range": [-0.03, 1.03]}
    return {
        "data": [exact, dots],
        "layout": layout(x, {"title": {"text": f"weight w at k = {k}"}, "rangemode": "tozero"}),
    }


def _histogram(groups: dict[str, list[float]], names: dict[str, str], edges: Any, hover: str) -> list[Json]:
    """Stacked bars of counts, a trace a group."""
    middle, width = (edges[1:] + edges[:-1]) / 2, edges[1] - edges[0]
    traces = []
    for group, name in names.items():
        if not groups.get(group):
            continue
        counts = np.histogram(groups[group], edges)[0]
        texts = [
            f"{name}<br>{hover} {between(a, b, width)}<br><b>{c} prompt{'s' if c != 1 else ''}</b>"
            for a, b, c in zip(edges[:-1], edges[1:], counts, strict=True)
        ]
        marker: Json = {"color": f"@{group}", "line": {"color": "@paper", "width": 0.5}}
        if group == "hard":  # hatched, so that it stays apart from "easy" where there is no colour
            lines = {"shape": "/", "solidity": 0.25, "size": 6, "fgcolor": "@paper"}
            marker["pattern"] = {**lines, "fillmode": "overlay"}  # the default leaves the lines alone
        place = {"x": middle.tolist(), "y": counts.tolist(), "width": float(width)}
        traces.append(
            {"type": "bar", "name": name, **place, "hovertext": texts, "hoverinfo": "text", "marker": marker}
        )
    return traces


def _edges(values: Sequence[float], also: Sequence[float | None]) -> Any:
    """Equal bins over all values and marks, one edge at 0 so that no bar mixes signs."""
    everything = [*values, *(v for v in also if v is not None), 0.0]
    low, high = min(everything), max(everything)
    width = (high - low) / BINS or 1.0
    return np.arange(np.floor(low / width), max(np.ceil(high / width), np.floor(low / width) + 1) + 1) * width


def _mark(x: float, text: str, dash: str, level: int) -> tuple[Json, Json]:
    """A vertical line and its name above the plot."""
    shape = {"type": "line", "yref": "paper", "x0": x, "x1": x, "y0": 0, "y1": 1 + 0.09 * level - 0.02}
    label = {
        "text": text,
        "x": x,
        "y": 1,
        "yref": "paper",
        "yshift": 18 * level - 6,  # in pixels, so that two names never meet in a low figure
        "yanchor": "middle",
        "showarrow": False,
        "font": {"color": "@ink", "size": 11.5},
        "bgcolor": "@paper",
    }
    return {**shape, "line": {"color": "@ink", "width": 1.4, "dash": dash}}, label


def _grouped(
    rows: Sequence[Json], value: Callable[[Json], float | None], at: Levels
) -> dict[str, list[float]]:
    groups: dict[str, list[float]] = {}
    for row in rows:
        found, group = value(row), at.of(value_of(row.get("p")))
        if found is not None and group is not None:
            groups.setdefault(group, []).append(found)
    return groups


def agreement_histogram(rows: Sequence[Json], mean: Json | None, at: Levels) -> Json:
    """Agreement scores by difficulty, with their unweighted mean (Fig. 6A)."""
    groups = _grouped(rows, lambda r: value_of(r.get("agreement")), at)
    average = value_of(mean)
    edges = _edges([v for g in groups.values() for v in g], [average])
    marks = (
        []
        if average is None
        else [_mark(average, f"unweighted mean {number(average, value_of(mean, 'se'), True)}", "dash", 1)]
    )
    return _with_marks(_histogram(groups, at.names(), edges, "agreement"), "agreement a", marks)


def contribution_histogram(
    rows: Sequence[Json], unweighted: Json | None, weighted: Json | None, at: Levels
) -> Json:
    """w·a of each prompt by difficulty, with both means and the shift between them (Fig. 6C)."""
    prompts = len(rows)

    def weighted_score(row: Json) -> float | None:
        share = value_of(row.get("contribution"))
        return None if share is None else share * prompts

    groups = _grouped(rows, weighted_score, at)
    before, after = value_of(unweighted), value_of(weighted)
    edges = _edges([v for g in groups.values() for v in g], [before, after])
    marks = []
    if before is not None:
        marks.append(
            _mark(before, f"unweighted mean {number(before, value_of(unweighted, 'se'), True)}", "dash", 2)
        )
    if after is not None:
        marks.append(
            _mark(after, f"weighted mean {number(after, value_of(weighted, 'se'), True)}", "solid", 1)
        )
    figure = _with_marks(_histogram(groups, at.names(), edges, "w·a"), "weight × agreement, w·a", marks)
    if before is not None and after is not None:
        arrow = {
            "x": after,
            "ax": before,
            "y": 0.93,
            "ay": 0.93,
            "xref": "x",
            "axref": "x",
            "yref": "y domain",
        }
        look = {"arrowhead": 2, "arrowwidth": 1.6, "arrowcolor": "@ink", "showarrow": True, "text": ""}
        figure["layout"]["annotations"].append({**arrow, "ayref": "y domain", **look})
    return figure


def _with_marks(traces: list[Json], title: str, marks: Sequence[tuple[Json, Json]]) -> Json:
    zero = {"type": "line", "yref": "paper", "x0": 0, "x1": 0, "y0": 0, "y1": 1}
    shapes = [{**zero, "line": {"color": "@axis", "width": 1.2}}, *(shape for shape, _ in marks)]
    figure = layout(
        {"title": {"text": title}, "nticks": 7},
        {"title": {"text": "prompts"}, "rangemode": "tozero", "tickformat": ",d"},
        barmode="stack",
        bargap=0,
        shapes=shapes,
        annotations=[label for _, label in marks],
    )
    below = {"yref": "container", "y": 0.0, "yanchor": "bottom", "traceorder": "normal"}
    figure["legend"] = {**figure["legend"], **below}
    figure["margin"] = {"l": 60, "r": 16, "t": 24 + 22 * len(marks), "b": 84}
    return {"data": traces, "layout": figure}
