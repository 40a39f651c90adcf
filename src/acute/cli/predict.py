"""`acute predict`: what would one step along an objective do to pass@1 and pass@k?"""

import json
from pathlib import Path
from typing import Any

import typer


def predict(
    folder: Path = typer.Argument(metavar="DIR", help="A scored run folder, as acute run makes it."),
    objective: str | None = typer.Option(
        None,
        help="What the step ascends: pass@8, mixture@0.5,8, log@16, … or an estimator (grpo, pkpo-loo@8, "
        "module:function@8). Default: pass@k at the largest k asked.",
    ),
    k: list[int] | None = typer.Option(
        None, "-k", min=1, help="The k whose pass@k is predicted; may be repeated. Default: those of the run."
    ),
    eta: float | None = typer.Option(None, help="Step size: the step is eta times the gradient."),
    step_length: float | None = typer.Option(
        None, help="Length of the step instead. Default: so short that log-odds move by 0.1."
    ),
    n: int = typer.Option(16, "-n", min=1, help="Group size, where the objective is an estimator."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object on standard output."),
) -> None:
    """What one step would do to pass@1 and pass@k. Plain gradient ascent, with intervals.

    To first order, and with log-odds moving straight; where the two part, the step is too long for the first.
    """
    from acute.run import Run
    from acute.stages.predict import predict as predicted

    run = Run.open(folder)
    ks = sorted({1, *(k or run.config.analyse.k)})
    found = predicted(run, objective or f"pass@{max(ks)}", ks, eta, step_length, n)
    if as_json:
        typer.echo(json.dumps(found, allow_nan=False))
    else:
        _show(found)


def _show(found: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    length = "?" if found["length"] is None else f"{found['length']:.3g}"
    table = Table(
        title=f"{found['prompts']} prompts; one step along {found['objective']}: η = {found['eta']:.3g}, "
        f"length {length}; log-odds move by {found['log_odds_moved']:.2g}"
    )
    headings = ("", "before", "to first order", "95 % interval", "log-odds straight", "prompts like these")
    for i, heading in enumerate(headings):
        table.add_column(heading, justify="left" if i == 0 else "right")
    for x in found["changes"]:
        before = "?" if x["before"] is None else f"{x['before']['value']:.4f}"
        apart = "" if x["first_order_holds"] is not False else " !"
        table.add_row(
            f"pass@{x['k']}",
            before,
            _value(x["first_order"]),
            _interval(x["first_order"]),
            _value(x["curved"]) + apart,
            f"{_value(x['population'])} {_interval(x['population'])}",
        )
    Console(width=None if Console().is_terminal else 130).print(table)
    if any(x["first_order_holds"] is False for x in found["changes"]):
        typer.echo(
            "!: outside the first order's interval: at this length curvature counts; take a shorter step"
        )
    for line in _unknown(found["reasons"]):
        typer.echo(line)
    for reason, number in found["excluded"].items():
        typer.echo(f"{number} {reason}: left out", err=True)
    if found["never_right"]:
        typer.echo(f"{found['never_right']} prompts were never right: counted as not moving", err=True)


def _unknown(reasons: dict[str, str]) -> list[str]:
    """A line for each reason why something is unknown: "no interval of …"."""
    headings = {"first_order": "to first order", "population": "prompts like these"}
    where: dict[tuple[str, str], list[str]] = {}
    for path, reason in reasons.items():
        name, _, k = path.partition(".")
        where.setdefault((headings[name], reason), []).append(f"pass@{k}")
    return [f"?: {heading}, {', '.join(ks)}: {reason}" for (heading, reason), ks in where.items()]


def _value(estimate: dict[str, float] | None) -> str:
    return "?" if estimate is None else f"{estimate['value']:+.4f}"


def _interval(estimate: dict[str, float | None] | None) -> str:
    if estimate is None:
        return ""
    if estimate["lo"] is None and estimate["hi"] is None:
        return "[?]"
    ends = ("?" if estimate[x] is None else f"{estimate[x]:+.4f}" for x in ("lo", "hi"))
    return f"[{', '.join(ends)}]"
