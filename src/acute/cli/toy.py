"""`acute toy`: the paper's contextual bandit, its printed table and its Figs. 2-5."""

import json
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from acute.errors import ConfigError, OutsideError

if TYPE_CHECKING:
    import plotly.graph_objects as go

app = typer.Typer(
    help="The paper's contextual bandit. Exactly: its table, and its Figs. 2-5.", no_args_is_help=True
)


@app.command("two-prompt")
def two_prompt(
    k: int = typer.Option(10, "-k", min=2, help="The k of pass@k."),
    step: float = typer.Option(5.0, help="Step size η of the one step on pass@k."),
    as_json: bool = typer.Option(False, "--json", help="One JSON object on standard output."),
) -> None:
    """One easy and one hard prompt, one step on pass@k: pass@k rises, pass@1 falls (section 3.3)."""
    from acute.toy_runs import two_prompt_numbers

    _finite(step=step)
    numbers = two_prompt_numbers(k, step)
    if as_json:
        typer.echo(json.dumps(numbers))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("quantity", "value", title=f"Two prompts, θ = (-2, -2), k = {k}, η = {step:g}")
    for name, value in numbers.items():
        table.add_row(name, _number(value))
    Console().print(table)


@app.command()
def population(
    out: Path = typer.Option(Path("toy-population"), help="Folder for the figures and population.json."),
    k: int = typer.Option(5, "-k", min=2, help="The k of pass@k."),
    prompts: int = typer.Option(6000, min=2, help="Prompts drawn."),
    p_hard: float = typer.Option(0.4, min=0.0, max=1.0, help="Share of hard prompts."),
    separation: float = typer.Option(0.2, help="Distance of the two kinds in feature space."),
    step: float = typer.Option(0.5, help="Step size."),
    steps: int = typer.Option(400, min=1, help="Gradient steps on pass@k."),
    seed: int = typer.Option(0, min=0, help="Seeds the prompts."),
    as_json: bool = typer.Option(False, "--json", help="One JSON object on standard output."),
) -> None:
    """Gradient ascent on pass@k over many prompts: heat map, conflict region, agreement, curves."""
    from acute.toy_runs import figures, run_population

    _finite(step=step, separation=separation, p_hard=p_hard)
    run = run_population(k, prompts, p_hard, separation, step, steps, seed)
    text = json.dumps(run.numbers)
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "population.json").write_text(text + "\n")
        for name, figure in figures(run).items():
            _write(figure, out / f"{name}.html")
    except OSError as error:
        raise OutsideError(f"could not write to {out}: {error.strerror}") from error
    typer.echo(f"wrote four figures and population.json to {out}", err=True)
    if as_json:
        typer.echo(text)
        return
    first, last = run.numbers["before"], run.numbers["after"]
    for name in first:
        typer.echo(f"{name:>24}: {_number(first[name])} -> {_number(last[name])}")


def _finite(**settings: float) -> None:
    for name, value in settings.items():
        if not isfinite(value):
            raise ConfigError(f"--{name.replace('_', '-')} must be a finite number, found {value}")


def _write(figure: "go.Figure", path: Path) -> None:
    figure.write_html(path, include_plotlyjs=True)


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
