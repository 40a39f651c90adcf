"""The tables of docs/results.md from results/*.jsonl.

python examples/tradeoff/summary.py
"""

import json
from itertools import pairwise
from typing import Any

import numpy as np
from grid import PLAN, Run
from scipy import stats

Rows = list[dict[str, Any]]
ALLOWED = 0.009  # fall of pass@1 that 256 responses a prompt could not tell from none
LEAST = 1e-5  # a change of pass@1 below it is rounding
SHARE = 0.8


def rows_of(run: Run) -> Rows | None:
    """A trajectory that was made."""
    if not run.path.exists():
        return None
    return [json.loads(line) for line in run.path.read_text(encoding="utf-8").splitlines()]


def curve(rows: Rows, name: str) -> np.ndarray:
    """One number against the step."""
    return np.array([row[name] for row in rows])


def early(rows: Rows) -> int:
    """The first step by which `SHARE` of the largest gain of pass@16 is made."""
    gain = curve(rows, "pass@16") - rows[0]["pass@16"]
    return int(np.flatnonzero(gain >= SHARE * gain.max())[0])


def half_width(values: np.ndarray) -> float:
    """Half the 95 % interval of a mean (Student's t)."""
    return float(stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5)


def judged(rows: Rows, plain: Rows) -> dict[str, Any]:
    """A method against pass@16 training with the same optimiser and rate, by the rules of the plan."""
    T = early(plain)
    fall = float((curve(rows, "pass@1") - rows[0]["pass@1"]).min())
    share = (rows[T]["pass@16"] - rows[0]["pass@16"]) / (plain[T]["pass@16"] - plain[0]["pass@16"])
    deepest = rows[1 + int((curve(rows[1:], "pass@1")).argmin())]
    change_N = np.array(deepest["p"]) - np.array(rows[0]["p"])
    return {
        "fall": fall,
        "least": float(change_N.mean()),
        "half": half_width(change_N),
        "T": T,
        "share": share,
        "at T": rows[T]["pass@1"],
        "end": rows[-1]["pass@1"],
        "steps": rows[-1]["step"],
        "cpu": rows[-1]["cpu_s"] / rows[-1]["step"],
        "no fall": fall >= -LEAST,
        "kept": fall >= -ALLOWED,
        "enough": share >= SHARE,
    }


def scored(rows: Rows, by: str = "promised pass@1") -> dict[str, int]:
    """Steps by the sign that was promised to first order and the sign of what pass@1 did."""
    found = {"++": 0, "+-": 0, "-+": 0, "--": 0, "no call": 0}
    for before, after in pairwise(rows):
        promised = before.get(by)
        change = after["pass@1"] - before["pass@1"]
        if promised is None:
            continue
        if min(abs(promised), abs(change)) < LEAST:
            found["no call"] += 1
        else:
            found["+-"[int(promised < 0)] + "+-"[int(change < 0)]] += 1
    return found


def exact_groups() -> dict[tuple[str, str, float], dict[str, Rows]]:
    """Trajectories with exact gradients by (mix, optimiser, rate), then by method."""
    found: dict[tuple[str, str, float], dict[str, Rows]] = {}
    for run in PLAN:
        if run.seed is None and (rows := rows_of(run)) is not None:
            found.setdefault((run.mix, run.optimizer, run.rate), {})[run.method] = rows
    return found


def sampled_groups() -> dict[str, list[Rows]]:
    """Trajectories with sampled gradients, by method."""
    found: dict[str, list[Rows]] = {}
    for run in PLAN:
        if run.seed is not None and (rows := rows_of(run)) is not None:
            found.setdefault(run.method, []).append(rows)
    return found


def line(cells: list[str]) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def head(*names: str) -> None:
    """The first two rows of a Markdown table."""
    print(line(list(names)))
    print("|---" * len(names) + "|")


def table_of_methods() -> None:
    """Every exact trajectory against pass@16 training's."""
    head(
        "mix, optimiser, rate", "method", "least change of pass@1, points (± prompts)", "pass@1 at T (T)",
        "share of early gain", "pass@1 at the end (step)", "CPU s a step", "no fall", "kept", "enough",
    )  # fmt: skip
    for (mix, optimizer, rate), methods in exact_groups().items():
        if "pass@k" not in methods:
            continue
        for method, rows in methods.items():
            j = judged(rows, methods["pass@k"])
            said = [
                f"{100 * j['least']:+.2f} ± {100 * j['half']:.1f}",
                f"{j['at T']:.3f} ({j['T']})",
                f"{j['share']:.2f}",
            ]
            said += [f"{j['end']:.3f} ({j['steps']})", f"{j['cpu']:.1f}"]
            said += ["yes" if j[x] else "no" for x in ("no fall", "kept", "enough")]
            print(line([f"{mix}, {optimizer}, {rate:g}", method, *said]))


def table_of_signs() -> None:
    """Promise against outcome."""
    head(
        "mix, optimiser, rate", "method", "promised up: rose, fell", "promised down: rose, fell",
        "none promised",
    )  # fmt: skip
    found = [
        (f"{mix}, {optimizer}, {rate:g}", method, [scored(rows)])
        for (mix, optimizer, rate), methods in exact_groups().items()
        for method, rows in methods.items()
    ]
    found += [
        (
            f"{mix}, {optimizer}, {rate:g}",
            "pass@k, by the cosine's sign",
            [scored(methods["pass@k"], "cosine")],
        )
        for (mix, optimizer, rate), methods in exact_groups().items()
        if "pass@k" in methods
    ]
    found += [
        ("override, sampled", f"{method}, by the measured sign", [scored(rows, "inner") for rows in some])
        for method, some in sampled_groups().items()
        if method == "pass@k"
    ]
    for where, method, some in found:
        s = {key: sum(one[key] for one in some) for key in some[0]}
        if any(s.values()):
            counts = [f"{s['++']}, {s['+-']}", f"{s['-+']}, {s['--']}", str(s["no call"])]
            print(line([where, method, *counts]))


def interval(values: np.ndarray) -> str:
    """Mean and 95 % interval over seeds (Student's t)."""
    return f"{values.mean():.3f} ± {half_width(values):.3f}"


def table_of_seeds() -> None:
    """Sampled trajectories: pass@1 and pass@16 by step, mean over seeds."""
    groups = {method: some for method, some in sampled_groups().items() if len(some) > 1}
    for name in ("pass@1", "pass@16"):
        head(f"{name} at step", *(f"{m} ({len(some)} seeds)" for m, some in groups.items()))
        for step in range(min((len(rows) for some in groups.values() for rows in some), default=0)):
            values = [np.array([rows[step][name] for rows in some]) for some in groups.values()]
            print(line([str(step), *map(interval, values)]))
        print()


def families() -> None:
    """The deepest fall of pass@1 of each family, in points."""
    groups = exact_groups()
    head("mix, optimiser, rate", "method", "deepest fall of pass@1 by family, points")
    for (mix, optimizer, rate), methods in groups.items():
        for method, rows in methods.items():
            names = sorted(name for name in rows[0] if name.startswith("pass@1/"))
            falls = [float((curve(rows, name) - rows[0][name]).min()) for name in names]
            said = ", ".join(
                f"{name.split('/')[1]} {100 * f:+.1f}" for name, f in zip(names, falls, strict=True)
            )
            print(line([f"{mix}, {optimizer}, {rate:g}", method, said]))


def made_up() -> None:
    """When pass@16 training has more pass@1 than pass@1 training."""
    for key, methods in exact_groups().items():
        if {"pass@1", "pass@k"} <= set(methods):
            a, b = (curve(methods[m], "pass@1") for m in ("pass@1", "pass@k"))
            n = min(len(a), len(b))
            ahead = np.flatnonzero(b[1:n] > a[1:n]) + 1
            print(f"{key}: pass@16 training ahead in pass@1 at steps {ahead.tolist()} of {n - 1}")


if __name__ == "__main__":
    for part in (table_of_methods, table_of_signs, families, table_of_seeds, made_up):
        part()
        print()
