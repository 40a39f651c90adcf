"""The page of a training: success, conflict and mitigation against the step."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from acute.errors import InputError
from acute.report.curves_page import Curves, bars, curve, figures_of, write_curves_page
from acute.report.numbers import Json

Rows = Sequence[dict[str, Any]]
LOGS = ("acute.jsonl", "evaluation.jsonl")
AXIS: Json = {"title": {"text": "step"}}


def is_training(folder: Path) -> bool:
    """Whether the folder is one that `acute train`, or a `PassKTrainer` in a script, wrote."""
    return (folder / "train.json").exists() or (folder / LOGS[0]).exists()


def _rows(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a log; none if it is not there. InputError for a line that is not JSON."""
    if not path.exists():
        return []
    try:
        text = path.read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
    except ValueError as error:
        raise InputError(f"{path}: wanted a JSON object a line, found a fault: {error}") from None


def _line(rows: Rows, key: str, name: str, opacity: float = 1.0) -> dict[str, Any]:
    """One curve against the step; what is not known is a gap."""
    known = [(row["step"], row[key]) for row in rows if key in row]
    drawn = curve(name, [step for step, _ in known], [value for _, value in known])
    return drawn | {"opacity": opacity}


def _evaluated(rows: Rows, key: str) -> dict[str, Any]:
    """A curve of evaluations; with 95 % intervals where responses were sampled."""
    ends = [
        (row[key], (row.get("intervals") or {}).get(key) or {"lo": None, "hi": None})
        for row in rows
        if key in row
    ]

    def reach(end: str) -> list[float | None]:
        return [None if y is None or e[end] is None else abs(e[end] - y) for y, e in ends]

    up, down = reach("hi"), reach("lo")
    if all(length is None for length in up + down):
        return _line(rows, key, f"{key}, exact" if rows and "intervals" not in rows[0] else key)
    return _line(rows, key, f"{key}, sampled, 95 %") | {"error_y": bars(up, down)}


def _names(rows: Rows) -> list[str]:
    """The pass@k that the rows have, of all prompts and of families."""
    return sorted({key for row in rows for key in row if key.startswith("pass@")})


def _cosine(rows: Rows) -> Curves:
    """The measured cosine with its 95 % interval."""
    known = [(row["step"], row["cosine_k"]) for row in rows if row.get("cosine_k")]

    def reach(end: str) -> list[float]:
        return [0.0 if c[end] is None else abs(c[end] - c["value"]) for _, c in known]

    drawn = curve("cosine, 95 %", [step for step, _ in known], [c["value"] for _, c in known], "markers")
    return [drawn | {"error_y": bars(reach("hi"), reach("lo"))}]


def _agreement(rows: Rows) -> Curves:
    scores = [{"step": row["step"], **row["agreement"]} for row in rows if row.get("agreement")]
    families = sorted({name for row in scores for name in row if name != "step"})
    return [_line(scores, name, name) for name in families]


def figures(rows: Rows, exact: Rows) -> list[tuple[str, Curves]]:
    """(title, curves) of every figure of the page."""
    totals = [name for name in _names(rows) if "/" not in name]
    best = exact or rows
    parts = [name for name in _names(best) if "/" in name and name.partition("/")[0] in totals]
    drawn = [_line(rows, name, f"{name}, rollouts", 0.5) for name in totals]
    return [
        ("Success", drawn + [_evaluated(exact, name) for name in totals]),
        ("Success by family", [_line(best, name, name) for name in parts]),
        ("Cosine of the objective's gradient and pass@1's", _cosine(rows)),
        ("k†: the smallest k in conflict, where there is one", [_line(rows, "k_dagger", "k†")]),
        ("λ*: share of pass@1 that a mixture without conflict needs", [_line(rows, "lambda", "λ*")]),
        ("k of the objective", [_line(rows, "k", "k")]),
        ("Agreement by family: what raising its success does to pass@1", _agreement(rows)),
    ]


def figures_of_training(folder: Path) -> dict[str, Json]:
    """The figures of a training by name. Raises InputError where it has no step yet."""
    return {name: figure for name, (_, figure) in figures_of(figures(*_logs(folder)), AXIS).items()}


def _logs(folder: Path) -> tuple[Rows, Rows]:
    rows, exact = (_rows(folder / name) for name in LOGS)
    if not rows:
        raise InputError(f"{folder} has no step yet (no row in {LOGS[0]}): run acute train first")
    return rows, exact


def _settings(folder: Path) -> str:
    """What was trained, as `acute train` records it; a script's trainer leaves no record of it."""
    path = folder / "train.json"
    if not path.exists():
        return ""
    train = json.loads(path.read_text(encoding="utf-8"))["config"]["train"]
    return (
        f" on {train['objective']}, mitigation {train['mitigation']}, "
        f"{train['optimizer']} at {train['learning_rate']}"
    )


def write_training_page(folder: Path) -> Path:
    """Write `folder/report.html`, whole or not at all, and return its path.

    InputError where the training has no step yet, OutsideError where the page cannot be written.
    """
    rows, exact = _logs(folder)
    about = (
        f"{rows[-1]['step'] + 1} steps{_settings(folder)}. Rollouts are those of each step's prompts; "
        f"evaluations are of all prompts."
    )
    drawn = figures(rows, exact)
    return write_curves_page(folder / "report.html", f"Training {folder.name}", about, drawn, AXIS)
