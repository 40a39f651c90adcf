"""Tables and figure from the cells' files: coverage by quantity, cells outside, bias by Holm."""

import json
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
from docs.figures.quickstart import picture
from scipy import special

from acute.measure.mean_test import holm

Row = dict[str, Any]
BAND = (0.93, 0.98)
UNBIASED = ("inner", "norm²", "agreement of a prompt", "agreement of a family", "pass@k", "weight")
RATIO = ("agreement of a family", "their distribution")  # a family's size is random: a ratio, consistent
FIGURE = Path(__file__).parent.parent.parent / "docs" / "figures" / "coverage.png"
COLOURS = {"little": "#bdbdbd", "middle": "#2166ac", "much": "#b2182b"}


class Found(NamedTuple):
    """A quantity in a cell."""

    cell: Row
    row: Row

    @property
    def name(self) -> str:
        """law, sharing, N, n, M; u where n is unequal."""
        c = self.cell
        return (
            f"{c['law']}, {c['sharing']}, N {c['prompts']}, n {c['responses']}, M {c['folds']}"
            f"{', unequal n' if c['unequal'] else ''}"
        )

    @property
    def key(self) -> tuple[str, str, int]:
        """What, of which estimand, at which k."""
        return self.row["what"], self.row["of"], self.row["k"]

    @property
    def coverage(self) -> float:
        """The share of intervals that held the truth."""
        return 1 - (self.row["below"] + self.row["above"]) / self.row["answered"]

    @property
    def bias(self) -> float:
        """Mean error."""
        return float(self.row["sum_error"] / self.row["runs"])

    @property
    def z(self) -> float:
        """Mean error over its standard error."""
        runs = self.row["runs"]
        variance = self.row["sum_square"] / runs - self.bias**2
        return float(self.bias / np.sqrt(variance / (runs - 1)))

    @property
    def relative(self) -> float:
        """Mean error over the mean truth."""
        return float(self.row["sum_error"] / self.row["sum_truth"])


def read(results: Path) -> tuple[list[Found], int]:
    """Every quantity of every cell, and the least number of runs of a cell."""
    cells = [json.loads(path.read_text()) for path in sorted(results.glob("*.json"))]
    if not cells:
        raise SystemExit(f"no results in {results}: run python -m bench.coverage run first")
    found = [Found(one["cell"], row) for one in cells for row in one["rows"]]
    return found, min(one["repetitions"] for one in cells)


def groups(found: list[Found]) -> Iterator[tuple[tuple[str, str, int], list[Found]]]:
    """The cells of each quantity that has intervals."""
    for key in dict.fromkeys(f.key for f in found):
        of = [f for f in found if f.key == key and f.row["answered"]]
        if of:
            yield key, of


def coverage_table(found: list[Found]) -> Iterator[str]:
    """Least, middle and greatest coverage over the cells, and the largest share without an answer."""
    yield "| quantity | of | k | least | median | most | cells in 93–98 % | below | most nulls |"
    yield "|---|---|--:|--:|--:|--:|--:|--:|--:|"
    for (what, whose, k), of in groups(found):
        c = [f.coverage for f in of]
        inside, low = sum(BAND[0] <= x <= BAND[1] for x in c), sum(x < BAND[0] for x in c)
        nulls = max(f.row["nulls"] / (f.row["nulls"] + f.row["answered"]) for f in of)
        yield (
            f"| {what} | {whose} | {k} | {min(c):.1%} | {median(c):.1%} | {max(c):.1%} "
            f"| {inside} of {len(c)} | {low} | {nulls:.0%} |"
        )


def outside_table(found: list[Found]) -> Iterator[str]:
    """Cells that cover too rarely, worst first."""
    yield "| quantity | of | k | cell | coverage | truth below | truth above |"
    yield "|---|---|--:|---|--:|--:|--:|"
    low = [f for _, of in groups(found) for f in of if f.coverage < BAND[0]]
    for f in sorted(low, key=lambda f: f.coverage):
        n = f.row["answered"]
        yield (
            f"| {f.key[0]} | {f.key[1]} | {f.key[2]} | {f.name} | {f.coverage:.1%} "
            f"| {f.row['below'] / n:.1%} | {f.row['above'] / n:.1%} |"
        )


def too_often_table(found: list[Found]) -> Iterator[str]:
    """Cells that cover too often by quantity: named, or where they are most, the ones that do not."""
    yield "| quantity | of | k | cells over 98 % |"
    yield "|---|---|--:|---|"
    for (what, whose, k), of in groups(found):
        high = [f for f in of if f.coverage > BAND[1]]
        if 2 * len(high) > len(of):
            rest = [f for f in of if f.coverage <= BAND[1]]
            yield f"| {what} | {whose} | {k} | {len(high)}: all but {'; '.join(f.name for f in rest)} |"
        elif high:
            named = "; ".join(f"{f.name}: {f.coverage:.1%}" for f in high)
            yield f"| {what} | {whose} | {k} | {named} |"


def bias_lines(found: list[Found]) -> Iterator[str]:
    """Holm over every estimate labelled unbiased; cosines and the naive way beside it."""
    labelled = [f for f in found if f.key[0] in UNBIASED and f.key[:2] != RATIO]
    z = np.array([f.z for f in labelled])
    adjusted = holm(2 * special.ndtr(-np.abs(z)))
    yield (
        f"{len(z)} estimates labelled unbiased: mean z {z.mean():+.3f}, standard deviation {z.std():.3f}, "
        f"largest |z| {np.abs(z).max():.2f}; smallest adjusted p {adjusted.min():.3f} (Holm)"
    )
    for f, p in zip(labelled, adjusted, strict=True):
        if p <= 0.01:
            yield f"  rejected at 1 %: {f.key}, {f.name}: z {f.z:+.2f}, bias {f.relative:+.2%}"
    yield "\n| estimate | k | n | bias: least | median | most |\n|---|--:|--:|--:|--:|--:|"
    for what in ("inner", "naive inner"):
        for k in (1, 2, 4, 8):
            yield from _spread(found, (what, "these prompts", k), "relative")
    for what, whose in (
        ("cosine", "these prompts"),
        ("naive cosine", "these prompts"),
        ("cosine", "their distribution"),
    ):
        for k in (2, 4, 8):
            yield from _spread(found, (what, whose, k), "bias")


def _spread(found: list[Found], key: tuple[str, str, int], of: str) -> Iterator[str]:
    """A line for each n: least, middle and greatest bias over the cells with equal n."""
    mine = [f for f in found if f.key == key and not f.cell["unequal"] and f.row["runs"]]
    form, unit = ("+.1%", "of the truth") if of == "relative" else ("+.3f", "absolute")
    for n in sorted({f.cell["responses"] for f in mine}):
        values = [getattr(f, of) for f in mine if f.cell["responses"] == n]
        numbers = " | ".join(format(v, form) for v in (min(values), median(values), max(values)))
        yield f"| {key[0]}, {key[1]}, {unit} | {key[2]} | {n} | {numbers} |"


def figure(found: list[Found], path: Path) -> None:
    """Every cell a dot: coverage by quantity and k, coloured by how much prompts share."""
    drawn = go.Figure()
    names = {"these prompts": "these", "their distribution": "distribution"}
    wanted = [
        (key, of)
        for key, of in groups(found)
        if key[0] in ("inner", "cosine", "agreement of a prompt", "agreement of a family")
    ]
    wanted.sort(key=lambda pair: (list(names).index(pair[0][1]), pair[0][0], pair[0][2]))
    labels = [
        f"{what.replace('agreement of a ', 'a, ')}{'' if what.startswith('a') else f' {k}'}<br>{names[of]}"
        for (what, of, k), _ in wanted
    ]
    for sharing, colour in COLOURS.items():
        x, y = [], []
        for i, (_, of) in enumerate(wanted):
            mine = [f for f in of if f.cell["sharing"] == sharing]
            x += [i + (j / max(len(mine) - 1, 1) - 0.5) * 0.5 for j in range(len(mine))]
            y += [100 * f.coverage for f in mine]
        drawn.add_scatter(
            x=x, y=y, mode="markers", name=f"{sharing} sharing", marker={"color": colour, "size": 5}
        )
    drawn.add_hrect(y0=93, y1=98, fillcolor="#4daf4a", opacity=0.12, line_width=0)
    drawn.add_hline(y=95, line_width=1, line_color="#444")
    drawn.update_layout(
        template="plotly_white",
        width=860,
        height=430,
        margin={"l": 60, "r": 10, "t": 30, "b": 110},
        font={"family": "Helvetica, Arial, sans-serif", "size": 12},
        legend={"orientation": "h", "y": 1.1},
        xaxis={"tickvals": list(range(len(labels))), "ticktext": labels, "tickangle": -60},
        yaxis={"title": "coverage of 95 % intervals, %", "range": [82, 100.5]},
    )
    picture(drawn, path)


def show(results: Path) -> None:
    """Print the tables, write the figure."""
    found, least = read(results)
    cells = len({f.name for f in found})
    print(f"{cells} cells, at least {least} runs each\n")
    for lines in (coverage_table, outside_table, too_often_table, bias_lines):
        print("\n".join(lines(found)) + "\n")
    figure(found, FIGURE)
    print(f"figure: {FIGURE.name}")
