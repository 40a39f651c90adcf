"""Figures after the paper's Figs. 6–8: its way above, unbiased estimates of the same prompts below."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

RED, GREEN, GREY = "#b2182b", "#1a7f37", "#444"
FONT = {"family": "Helvetica, Arial, sans-serif", "size": 13}
SCATTERED = ((0.80, 0.10), (0.85, 0.15), (0.90, 0.10))
WAYS = ("paper's way", "fresh rollouts, unbiased")


def colours(found):
    return np.where(found.p_N > 0.5, GREEN, RED)


def laid_out(figure, width, height):
    figure.update_layout(
        template="plotly_white",
        width=width,
        height=height,
        font=FONT,
        margin={"l": 60, "r": 20, "t": 50, "b": 50},
        showlegend=False,
    )
    return figure


def figure6(ways):
    """(A) agreement, (B) weights by pass@1, (C) w·a with unweighted and weighted mean; a row a way."""
    titles = [f"{name}: {what}" for name in WAYS for what in ("a(x)", "weight", "w(x) a(x)")]
    figure = make_subplots(2, 3, subplot_titles=titles, vertical_spacing=0.14)
    order = np.argsort(ways[0].p_N, kind="stable")  # the same prompt stands at the same place everywhere
    place = np.arange(len(order))
    for row, found in enumerate(ways, 1):
        marker = {"color": colours(ways[0])[order], "size": 7}
        error = None
        if found.ends_N2 is not None:
            lo, hi = (found.ends_N2[order] - found.agreement_N[order, None]).T
            error = {"array": hi, "arrayminus": -lo, "thickness": 0.8, "width": 0}
        figure.add_scatter(
            x=place, y=found.agreement_N[order], error_y=error, mode="markers", marker=marker, row=row, col=1
        )
        mean = found.agreement_N.mean()
        figure.add_hline(y=mean, line_dash="dash", line_color=GREY, row=row, col=1)
        figure.add_scatter(
            x=found.p_N[order], y=found.weight_N[order], mode="markers", marker=marker, row=row, col=2
        )
        figure.add_scatter(
            x=place,
            y=found.product_N[order],
            mode="markers",
            marker=marker,
            row=row,
            col=3,
        )
        figure.add_hline(y=mean, line_dash="dash", line_color=GREY, row=row, col=3)
        figure.add_hline(y=found.weighted, line_color=RED, row=row, col=3)
        figure.update_xaxes(title="prompts by p̂", row=row, col=1)
        figure.update_xaxes(title="p̂", row=row, col=2)
        figure.update_xaxes(title="prompts by p̂ (dashed: mean a, red: mean w·a)", row=row, col=3)
    figure.update_layout(title=None)
    return laid_out(figure, 1180, 700)


def figure7(rows):
    """Weight against agreement, coloured by pass@1; a row a way, a column a filter."""
    shown = [row for row in rows if row[0] in SCATTERED]
    titles = [f"{name}: δ1 = {e:.2f}, δ2 = {h:.2f}" for name in WAYS for (e, h), *_ in shown]
    figure = make_subplots(2, max(len(shown), 1), subplot_titles=titles, vertical_spacing=0.14)
    for column, (_, _, old, new, _) in enumerate(shown, 1):
        for row, found in enumerate((old, new), 1):
            figure.add_scatter(
                x=found.agreement_N,
                y=found.weight_N,
                mode="markers",
                marker={
                    "color": found.p_N,
                    "colorscale": "RdYlGn",
                    "cmin": 0,
                    "cmax": 1,
                    "size": 8,
                    "line_width": 0.5,
                },
                row=row,
                col=column,
            )
            figure.add_vline(x=0, line_color=GREY, line_width=1, row=row, col=column)
            figure.update_xaxes(title="agreement a(x)", row=row, col=column)
            figure.update_yaxes(title="weight", row=row, col=column)
    return laid_out(figure, 1180, 680)


def figure8(rows):
    """The sum of w·a for every filter: the paper's way, and the unbiased one with its interval."""
    names = [f"{e:.2f}, {h:.2f}" for (e, h), *_ in rows]
    figure = go.Figure()
    figure.add_bar(
        x=names,
        y=[len(old.p_N) * old.weighted for _, _, old, _, _ in rows],
        name=WAYS[0],
        marker_color="#999",
    )
    known = [(n, len(new.p_N) * new.weighted, i) for n, (_, _, _, new, i) in zip(names, rows, strict=True)]
    figure.add_scatter(
        x=[n for n, _, _ in known],
        y=[v for _, v, _ in known],
        error_y={
            "array": [0 if i is None else i[1] - v for _, v, i in known],
            "arrayminus": [0 if i is None else v - i[0] for _, v, i in known],
        },
        mode="markers",
        marker={"color": RED, "size": 10},
        name=f"{WAYS[1]}, 95 %",
    )
    figure.add_hline(y=0, line_color=GREY, line_width=1)
    laid_out(figure, 860, 430)
    return figure.update_layout(
        showlegend=True,
        legend={"orientation": "h", "x": 0, "y": 1.12},
        xaxis={"title": "δ1, δ2", "type": "category"},
        yaxis={"title": "sum over prompts of w(x) a(x)"},
    )


def write(folder, rows, main):
    """paper.html, and figure6.json … figure8.json for docs/figures/paper.py."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {"figure7": figure7(rows), "figure8": figure8(rows)}
    for (easy, hard), _, old, new, _ in rows:
        if (easy, hard) == main:
            found["figure6"] = figure6((old, new))
    page = []
    for number, name in enumerate(sorted(found)):
        found[name].write_json(folder / f"{name}.json")
        page.append(found[name].to_html(full_html=False, include_plotlyjs=number == 0))
    (folder / "paper.html").write_text("<meta charset='utf-8'>" + "".join(page), encoding="utf-8")
