"""The figure of docs/results.md: whole trajectories, exact at every step.

python docs/figures/tradeoff.py     # needs chromium; reads examples/tradeoff/results, writes tradeoff.png
"""

import sys
from pathlib import Path

from plotly.subplots import make_subplots
from quickstart import picture

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "tradeoff"))

from summary import exact_groups

HERE = Path(__file__).parent
PANELS = {
    ("override", "sgd", 0.01): "override, SGD 0.01",
    ("override", "sgd", 0.03): "override, SGD 0.03",
    ("override", "adamw", 1e-6): "override, AdamW 1e-6",
    ("control", "sgd", 0.01): "control, SGD 0.01",
}
COLOURS = {
    "pass@1": "#2166ac",
    "pass@k": "#b2182b",
    "projection": "#1b7837",
    "projection-0.5": "#7fbf7b",
    "upgrad": "#762a83",
    "reweighting": "#e08214",
    "adaptive-k": "#8c510a",
    "clip": "#35978f",
    "annealing": "#737373",
    "power": "#dfc27d",
    "pcd": "#c51b7d",
    "truncation": "#000000",
}
MOST = 12  # steps drawn


def main():
    groups = exact_groups()
    there = [key for key in PANELS if key in groups]
    figure = make_subplots(
        rows=2, cols=len(there), shared_xaxes=True, vertical_spacing=0.06, horizontal_spacing=0.04,
        column_titles=[PANELS[key] for key in there], row_titles=["pass@1", "pass@16"],
    )  # fmt: skip
    shown = set()
    for column, key in enumerate(there, 1):
        for method, rows in groups[key].items():
            some = rows[: MOST + 1]
            for at, name in ((1, "pass@1"), (2, "pass@16")):
                figure.add_scatter(
                    x=[row["step"] for row in some],
                    y=[row[name] for row in some],
                    name="pass@16" if method == "pass@k" else method,
                    legendgroup=method,
                    showlegend=at == 1 and method not in shown,
                    line={"color": COLOURS[method], "width": 2.5 if method.startswith("pass@") else 1.5},
                    row=at,
                    col=column,
                )
            shown.add(method)
    figure.update_layout(template="simple_white", margin={"l": 50, "r": 30, "t": 40, "b": 40}, font_size=12)
    figure.update_layout(legend={"orientation": "h", "y": -0.1})
    figure.update_yaxes(range=[0.35, 1.02])
    figure.update_xaxes(title="step", row=2)
    picture(figure.update_layout(width=1180, height=600), HERE / "tradeoff.png", 1180, 620)


if __name__ == "__main__":
    main()
