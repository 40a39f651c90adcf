"""Several runs side by side: checkpoints of a training, models, parameter subsets, mixes of prompts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from acute.errors import InputError
from acute.report.curves_page import Curves, bars, curve, figures_of, write_curves_page
from acute.report.figure_table import FigureTable
from acute.report.numbers import Json, show, value_of
from acute.report.reading import at_k, read_analysis
from acute.report.safe_text import one_line, visible
from acute.report.verdict import k_dagger, verdict


def read_runs(folders: Sequence[Path]) -> dict[str, Json]:
    """The analyses by a name for each run: the shortest end of its path that no other one has.

    Raises InputError for a folder given twice or without analysis.json.
    """
    paths = [folder.resolve() for folder in folders]
    if twice := [path for path in paths if paths.count(path) > 1]:
        raise InputError(f"wanted different run folders, found {twice[0]} twice")
    names = []
    for path in paths:
        ends = range(1, len(path.parts) + 1)
        alone = (i for i in ends if sum(other.parts[-i:] == path.parts[-i:] for other in paths) == 1)
        names.append("/".join(path.parts[-next(alone) :]))
    return {name: read_analysis(path / "analysis.json") for name, path in zip(names, paths, strict=True)}


def compared(runs: dict[str, Json]) -> Json:
    """What `acute compare --json` prints: for each run pass@k, cosines and k† at the k that all runs have.

    Raises InputError where the runs have no k in common.
    """
    ks = sorted(set.intersection(*(set(a["conflict"]["k"]) for a in runs.values())))
    if not ks:
        each = ", ".join(f"{name}: {a['conflict']['k']}" for name, a in runs.items())
        raise InputError(f"wanted runs with some k of analyse.k in common, found {each}")
    rows = [
        {
            "run": name,
            "prompts": analysis["prompts"],
            "responses": analysis["responses"],
            "parameters": analysis.get("parameters"),
            "verdict": verdict(analysis).answer,
            "k_dagger": analysis.get("k_dagger"),
            "pass_at_k": [(analysis.get("pass_at_k") or {}).get(str(k)) for k in ks],
            "cosine": [at_k(analysis, "cosine", k) for k in ks],
            "cosine_population": [at_k(analysis, "cosine", k, "conflict_population") for k in ks],
        }
        for name, analysis in runs.items()
    ]
    return {"k": ks, "runs": rows}


def _rows(runs: dict[str, Json]) -> tuple[list[str], list[list[str]]]:
    """Headings and rows: prompts, pass@1 and pass@k, the cosine at two k, k†, the verdict."""
    found = compared(runs)
    ks = found["k"]
    passed, shown = (list(dict.fromkeys(some)) for some in ((ks[0], ks[-1]), (ks[len(ks) // 2], ks[-1])))
    headings = ["run", "prompts", *(f"pass@{k}" for k in passed)]
    headings += [*(f"cosine at k = {k:,}" for k in shown), "k†", "verdict"]
    rows = []
    for row, analysis in zip(found["runs"], runs.values(), strict=True):
        cells = [show(row["pass_at_k"][ks.index(k)]) for k in passed]
        cells += [show(row["cosine"][ks.index(k)], signed=True) for k in shown]
        texts = ["–" if s.value is None else str(s) for s in (*cells, k_dagger(analysis))]
        rows.append([row["run"], f"{row['prompts']:,}", *texts, row["verdict"]])
    return headings, rows


def table(runs: dict[str, Json]) -> Table:
    """The runs as rows, for the terminal."""
    headings, rows = _rows(runs)
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for i, heading in enumerate(headings):
        made.add_column(heading, justify="left" if i in (0, len(headings) - 1) else "right")
    for name, *cells in rows:
        made.add_row(Text(one_line(name, 40)), *map(Text, cells))
    return made


def _curve(name: str, ks: Sequence[int], estimates: Sequence[Any]) -> Json:
    known = [(k, e) for k, e in zip(ks, estimates, strict=True) if value_of(e) is not None]

    def reach(end: str) -> list[float]:
        return [abs((e["value"] if e.get(end) is None else e[end]) - e["value"]) for _, e in known]

    drawn = curve(name, [k for k, _ in known], [e["value"] for _, e in known])
    return drawn | {"error_y": bars(reach("hi"), reach("lo"))}


def figures(runs: dict[str, Json]) -> list[tuple[str, Curves]]:
    """(title, curves): the cosine of these prompts and of their distribution, and pass@k, against k."""
    found = compared(runs)
    parts = {
        "Cosine of ∇J_k and ∇J_1, these prompts": "cosine",
        "Cosine of ∇J_k and ∇J_1, the distribution of prompts": "cosine_population",
        "pass@k of these prompts": "pass_at_k",
    }
    return [
        (title, [_curve(row["run"], found["k"], row[part]) for row in found["runs"]])
        for title, part in parts.items()
    ]


def _axis(ks: Sequence[int]) -> Json:
    """A log axis that marks the k measured, eight at the most."""
    shown = ks[:: len(ks) // 8 + 1]
    ticks = {"tickvals": shown, "ticktext": [f"{k:,}" for k in shown]}
    return {"title": {"text": "k (log scale)"}, "type": "log", **ticks}


def figures_of_runs(runs: dict[str, Json]) -> dict[str, Json]:
    """The figures of the page by name. Raises InputError where the runs have no k in common."""
    named = figures_of(figures(runs), _axis(compared(runs)["k"]))
    return {name: figure for name, (_, figure) in named.items()}


def write_compare_page(target: Path, runs: dict[str, Json]) -> Path:
    """Write the page of several runs. Raises InputError, OutsideError."""
    about = f"{len(runs)} runs at the k that all of them have; bars are 95 % intervals."
    headings, rows = _rows(runs)
    beside = FigureTable(headings, [[visible(name), *cells] for name, *cells in rows])
    axis = _axis(compared(runs)["k"])
    return write_curves_page(target, "Runs side by side", about, figures(runs), axis, beside)
