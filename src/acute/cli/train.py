"""`acute train CONFIG.toml`."""

import json
from pathlib import Path

import typer

from acute.cli.stopping import resume_with


def train(
    config: Path = typer.Argument(help="A TOML file with the table train."),
    out: Path | None = typer.Option(None, "--out", help="The training's folder; default: runs/NAME."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object on standard output."),
) -> None:
    """Post-train with an objective and a mitigation. Started again on the same folder it goes on."""
    from acute.train.config import load
    from acute.train.session import is_main, leave_the_group
    from acute.train.session import train as run

    resume_with(f"acute train {config}" + (f" --out {out}" if out else ""))
    settings = load(config)
    found = run(settings, out or Path("runs") / config.stem)
    main = is_main()
    leave_the_group()
    if not main:
        return
    if as_json:
        typer.echo(json.dumps(found))
        return
    typer.echo(
        f"{found['steps']} steps, {found['objective']}, mitigation {found['mitigation']}: {found['run']}"
    )
    for name, first in found["first"].items():
        before, after = ("?" if x is None else f"{x:.3f}" for x in (first, found["last"].get(name)))
        typer.echo(f"  {name} of the step's rollouts: {before} at first, {after} at last")
