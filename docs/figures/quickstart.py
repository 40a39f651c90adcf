"""The quickstart's figure and table: estimates of a run folder beside the exact truth.

    python docs/figures/quickstart.py runs/quickstart     # needs chromium for the picture

The exact curves come from examples/quickstart/exact.py (one JSON file for each mix beside this script).
Writes quickstart.png and prints the table of docs/quickstart.md.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import plotly.graph_objects as go

HERE = Path(__file__).parent
MIXES = {  # name: (folder inside the run, colour, label)
    "override": ("", "#b2182b", "sums and “+ means multiply”"),
    "control": ("control", "#2166ac", "control: sums and last letters"),
}


def curves(figure, analysis, exact, colour, label):
    known = [
        (k, e)
        for k, e in zip(analysis["curve"]["k"], analysis["curve"]["cosine"], strict=True)
        if e is not None
    ]
    ks = [k for k, _ in known]
    band = [e["lo"] for _, e in known] + [e["hi"] for _, e in known][::-1]
    figure.add_scatter(
        x=ks + ks[::-1], y=band, fill="toself", fillcolor=colour, opacity=0.18, line_width=0, showlegend=False
    )
    figure.add_scatter(x=ks, y=[e["value"] for _, e in known], line={"color": colour, "width": 3}, name=label)
    figure.add_scatter(
        x=[int(k) for k in exact["cosine"]],
        y=list(exact["cosine"].values()),
        mode="markers",
        marker={"symbol": "x-thin-open", "size": 11, "color": colour, "line": {"width": 2.5}},
        name="exact",
    )


def picture(figure, path, width=860, height=430):
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "figure.html"
        drawn = figure.to_html(full_html=False, include_plotlyjs=True, config={"displayModeBar": False})
        page.write_text(f"<body style='margin:0'>{drawn}</body>")
        options = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
        ]
        subprocess.run(
            [
                "chromium",
                *options,
                f"--user-data-dir={folder}/profile",
                "--hide-scrollbars",
                "--force-device-scale-factor=2",
                f"--window-size={width},{height}",
                "--virtual-time-budget=4000",
                f"--screenshot={path}",
                page.as_uri(),
            ],
            check=True,
            capture_output=True,
        )


def main(run):
    figure = go.Figure()
    print("| mix | k | cosine, 95 % interval | exact | inner product, 95 % interval | exact |")
    print("|---|--:|--:|--:|--:|--:|")
    for mix, (folder, colour, label) in MIXES.items():
        analysis = json.loads((run / folder / "analysis.json").read_text())
        exact = json.loads((HERE / f"exact-{mix}.json").read_text())
        curves(figure, analysis, exact, colour, label)
        conflict = analysis["conflict"]
        for k, cosine, inner in zip(conflict["k"], conflict["cosine"], conflict["inner"], strict=True):
            both = [
                f"{e['value']:+.{d}f} ({e['lo']:+.{d}f} to {e['hi']:+.{d}f})"
                for e, d in ((cosine, 3), (inner, 1))
            ]
            truth = exact["cosine"][str(k)], exact["inner"][str(k)]
            print(f"| {mix} | {k} | {both[0]} | {truth[0]:+.3f} | {both[1]} | {truth[1]:+.1f} |")
        print(f"{mix}: k† {analysis['k_dagger']}, exact {exact['k_dagger']}", file=sys.stderr)
    figure.add_hline(y=0, line_width=1.2, line_color="#444")
    figure.update_layout(
        template="plotly_white",
        width=860,
        height=430,
        margin={"l": 70, "r": 20, "t": 20, "b": 60},
        font={"family": "Helvetica, Arial, sans-serif", "size": 15},
        legend={"x": 0.99, "y": 0.99, "xanchor": "right", "bgcolor": "rgba(255,255,255,.7)"},
        xaxis={"title": "k", "type": "log", "tickvals": [1, 2, 4, 8, 16, 32], "range": [-0.03, 1.53]},
        yaxis={"title": "cos(∇J<sub>k</sub>, ∇J<sub>1</sub>)"},
    )
    picture(figure, HERE / "quickstart.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
