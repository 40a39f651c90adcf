"""The command `acute`: registers the commands and turns errors into one line and an exit code."""

import json
import os
import sys
from typing import NoReturn

import typer

from acute import __version__
from acute.cli import compare, doctor, gate, importer, plan, predict, profile, selfcheck, stages, toy, train
from acute.cli.stopping import Stopped, listen
from acute.errors import AcuteError, InputError, OutsideError

app = typer.Typer(
    name="acute",
    help="Does optimising pass@k turn against pass@1, from which k, and which prompts do it?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # its panels cost as much CPU time as all the rest of --help
    epilog="Try first: acute run (a real 135M model, about three minutes on two cores). Then: "
    "acute run mine.toml (your model and prompts), "
    "acute import LOG --format trl --out RUN --profile (rollouts you have), "
    "acute profile grpo -n 8 (what your estimator weighs).",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"acute {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version and stop."
    ),
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error."),
) -> None:
    del version, debug  # both are dealt with before any command runs


for _command in (
    stages.run,
    stages.rollout,
    stages.verify,
    stages.score,
    stages.analyse,
    stages.report,
    train.train,
    profile.profile,
    gate.gate,
    predict.predict,
    plan.plan,
    compare.compare,
    selfcheck.selfcheck,
    doctor.doctor,
):
    app.command(_command.__name__)(_command)
app.command("import")(importer.import_log)  # a name that no function can have
app.add_typer(toy.app, name="toy")


def main() -> None:
    """Run the command line. Errors raised on purpose end in one line on standard error, and so do signals.

    With --json they are one JSON object on standard output too: {"error", "exit_code"}.
    """
    # waiting threads that spin make torch 5–10 times slower on cores that others use too
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    listen()
    arguments = sys.argv[1:]
    debug = "--debug" in arguments  # wherever it stands
    try:
        app(args=[a for a in arguments if a != "--debug"], prog_name="acute")
    except AcuteError as error:
        if debug:
            raise
        _end(str(error), error.exit_code, arguments)
    except (OSError, MemoryError) as error:  # the machine refused: a disk, a permission, its memory
        if debug:
            raise
        _end(f"{type(error).__name__}: {error}", OutsideError.exit_code, arguments)
    except RuntimeError as error:
        if debug or not _is_out_of_memory(error):
            raise
        _end(f"out of memory, what is finished is kept: {error}", OutsideError.exit_code, arguments)
    except Stopped as stop:
        if debug:
            raise
        _end(str(stop), stop.exit_code, arguments)
    except SystemExit as stop:  # typer has said what was wrong with the arguments, for people
        if stop.code == InputError.exit_code and "--json" in arguments:
            _print_json("wrong arguments: standard error says what was wanted", InputError.exit_code)
        raise


def _is_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch says so: of a GPU in a type of its own, of the machine in words alone."""
    return type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error)


def _end(message: str, code: int, arguments: list[str]) -> NoReturn:
    line = " ".join(message.split())  # one line, whatever it quotes
    typer.echo(f"acute: {line}", err=True)
    if "--json" in arguments:
        _print_json(line, code)
    sys.exit(code)


def _print_json(message: str, code: int) -> None:
    typer.echo(json.dumps({"error": message, "exit_code": code}))
