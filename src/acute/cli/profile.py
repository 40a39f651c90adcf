"""`acute profile`: what weight does an advantage estimator really put on easy and hard prompts?"""

import json
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from acute.cli.profile_log import K, profile_folder
from acute.errors import ConfigError

if TYPE_CHECKING:
    from acute.core.profiler import Profile, RealProfile
    from acute.testing.load import Found

SHOWN = (0.02, 0.1, 0.3, 0.5, 0.7, 0.9)  # columns of the table, all of them on the grid
SHOWN_NARROW = (0.1, 0.5, 0.9)


# long: every option is a parameter
def profile(
    names: list[str] | None = typer.Argument(
        None,
        metavar="[RUN] [ESTIMATOR]...",
        help="A run folder to profile. Built-in names, module:function, verl:NAME, trl:group|batch|none; "
        "without: all built in.",
    ),
    n: int | None = typer.Option(
        None, "-n", min=1, help="Responses in a group; default 16, of a run folder its own groups'."
    ),
    k: int = typer.Option(K, "-k", min=1, help="The k of pass@k."),
    objective: str | None = typer.Option(
        None, help="Hold all against this objective (pass@8, pass^8, log, mixture@0.5,8, …), not their own."
    ),
    rewards: str | None = typer.Option(
        None, help="Reward values other than 0,1: hold against max@k, e.g. 0,0.5,1."
    ),
    length_ratio: float = typer.Option(
        4.0, min=1e-3, help="Length of responses at p = 0 over that at p = 1, for the effect of length."
    ),
    wrong_ratio: float = typer.Option(
        1.5, min=1e-3, help="Length of wrong responses over that of right ones."
    ),
    run: Path | None = typer.Option(
        None, help="A scored run folder: each estimator's weights and conflict with pass@1 on its prompts."
    ),
    plot: Path | None = typer.Option(
        None, help="Write W(p) of all as a figure to this HTML file; of a run folder, its profile as a page."
    ),
    as_json: bool = typer.Option(False, "--json", help="One JSON object on standard output."),
) -> None:
    """Which prompts an estimator weights; what a log holds.

    On a folder, before any model is loaded: difficulty, groups without a signal, truncation, suspected
    verifier faults, the share of each estimator's weight that hard prompts take.

    Without a folder, by enumeration: the expected update of a prompt with success probability p is W(p) ∇p.
    A function takes rewards of shape (groups, n), and k if it has a parameter of that name.
    """
    from acute.core.advantages.registry import ESTIMATORS
    from acute.core.profiler import profile as profiled
    from acute.progress import tracked
    from acute.testing.load import load

    _refuse_pairs(run=run, rewards=rewards, plot=plot, objective=objective)
    if names and _is_folder(names[0]):
        _refuse_beside_folder(run=run, rewards=rewards)
        profile_folder(Path(names[0]), names[1:], n, k, objective, as_json, plot)
        return
    n = n or 16
    chosen = list(names or [name for name, e in ESTIMATORS.items() if e.admits(n, k)])
    if rewards is not None:
        _real(chosen, n, k, _values(rewards), as_json, everything=not names)
        return
    loaded = [load(name, n, k, objective) for name in chosen]
    if run is not None:
        _on_run(run, loaded, n, k, as_json)
        return

    def profile_of(x: "Found") -> "Profile":
        return profiled(
            x.advantage,
            x.objective,
            n,
            k,
            name=x.name,
            ks=x.ks,
            hard_over_easy=length_ratio,
            wrong_over_right=wrong_ratio,
        )

    with tracked("profile", len(loaded)) as tracker:
        found = []
        for x in loaded:
            found.append(profile_of(x))
            tracker.advance()
    if plot is not None:
        _plot(found, plot)
    if as_json:
        typer.echo(json.dumps({"n": n, "k": k, "estimators": [_plain(asdict(x)) for x in found]}))
    else:
        _table(found)


def _is_folder(name: str) -> bool:
    """Whether the first argument means a run folder, not an estimator."""
    from acute.core.advantages.registry import ESTIMATORS

    return (Path(name).is_dir() and name not in ESTIMATORS) or (
        ":" not in name and ("/" in name or name in (".", ".."))
    )


def _refuse_pairs(**given: object) -> None:
    """Options that would leave one another unread."""
    apart = (("run", "rewards"), ("run", "plot"), ("rewards", "plot"), ("rewards", "objective"))
    for one, other in apart:
        if given[one] is not None and given[other] is not None:
            raise ConfigError(f"--{one} and --{other} cannot be asked together: start acute profile twice")


def _refuse_beside_folder(**given: object) -> None:
    for name, value in given.items():
        if value is not None:
            raise ConfigError(f"--{name} is not for the profile of a run folder: leave one of them out")


def _values(text: str) -> list[float]:
    try:
        values = sorted({float(x) for x in text.split(",")})
    except ValueError:
        values = []
    if len(values) < 2:
        raise ConfigError(f"--rewards wants two or more different numbers, such as 0,0.5,1; found {text!r}")
    return values


def _plain(found: dict[str, Any]) -> dict[str, Any]:
    """JSON has no NaN and no arrays: null and lists."""

    def plain(value: Any) -> Any:
        if isinstance(value, float):
            return value if isfinite(value) else None
        if isinstance(value, str | int | None):
            return value
        return [plain(float(x)) if isinstance(x, float) else int(x) for x in value]

    return {name: plain(value) for name, value in found.items()}


def _verdict(x: "Profile") -> str:
    if x.verdict == "proportional":
        return f"× {x.multiple:.3g}"
    return f"biased {100 * x.bias:.0f} %" if x.verdict == "biased" else x.verdict


def _cells(x: "Profile", wide: bool) -> dict[str, str]:
    """A row of the table; a narrow terminal gets the columns that matter most."""
    hard = _at(x, 0.1)
    acts_as = f"{x.closest_k:.1f}" if x.closest_k_cosine > 0.99 else f"({x.closest_k:.1f})"
    weights = {f"p={p:g}": f"{x.weight[_at(x, p)]:.3g}" for p in (SHOWN if wide else SHOWN_NARROW)}
    cells = {"estimator": x.name, "meant for": x.objective, "is": _verdict(x), "acts\nas k": acts_as}
    if not wide:
        return {**cells, **weights}
    return {
        **cells,
        "by\nlength": f"{x.closest_k_by_length:.1f}",
        **weights,
        "signal": f"{x.signal[hard]:.2f}",
        "noise": f"{x.second_moment[hard]:.2g}",
        "0 at k": ",".join(map(str, x.zero_at_k)) or "-",
    }


def _at(x: "Profile", p: float) -> int:
    return int(abs(x.p - p).argmin())


def _table(found: list["Profile"]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if Console().is_terminal else 170)
    wide = console.width >= 150
    rows = [_cells(x, wide) for x in found]
    table = Table(title=f"W(p), the weight on ∇p: groups of n = {found[0].n}, k = {found[0].k}")
    for heading in rows[0]:
        table.add_column(
            heading, no_wrap=wide, overflow="fold", justify="right" if "=" in heading else "left"
        )
    for row in rows:
        table.add_row(*row.values())
    console.print(table)
    console.print(
        "is: × c is unbiased up to c for all p; biased % is the largest departure from the best such c. "
        "(k) in brackets: no pass@k has this shape (cosine below 0.99).",
        highlight=False,
    )
    if wide:
        console.print(
            "by length: the same after dividing each response by its length, hard and wrong ones being "
            "longer. At p = 0.1: signal = share of groups with any advantage, noise = E[A²].\n"
            "0 at k: W vanishes for all p at these k.",
            highlight=False,
        )
    else:
        console.print(
            "More columns in a terminal of 150 characters, all numbers with --json.", highlight=False
        )


def _plot(found: list["Profile"], path: Path) -> None:
    import plotly.graph_objects as go

    figure = go.Figure()
    for x in found:
        figure.add_scatter(x=x.p, y=x.weight, name=x.name, mode="lines+markers")
    figure.update_layout(
        title=f"Prompt weight W(p), groups of {found[0].n}, k = {found[0].k}",
        xaxis_title="success probability p",
        yaxis_title="W(p)",
        template="plotly_white",
    )
    figure.write_html(path, include_plotlyjs=True)
    typer.echo(f"wrote {path}", err=True)


def _on_run(folder: Path, found: list["Found"], n: int, k: int, as_json: bool) -> None:
    from acute.profile_run import conflict_of_estimators, read_scored

    answer = conflict_of_estimators(read_scored(folder, n), found, n, k)
    if as_json:
        typer.echo(json.dumps(answer, allow_nan=False))
        return
    from rich.console import Console
    from rich.table import Table

    title = f"{len(answer['prompts'])} prompts of {folder}, groups of n = {n}, k = {k}"
    table = Table("estimator", "mean weight", "E[W a]", "95 % interval", "p-value of ≥ 0", title=title)
    for row in answer["estimators"]:
        inner = row["inner"] or {"value": None, "lo": None, "hi": None}
        interval = f"[{_short(inner['lo'])}, {_short(inner['hi'])}]"
        cells = (
            _short(row["mean_weight"]),
            _short(inner["value"]),
            interval,
            _short(row["p_value_negative"]),
        )
        table.add_row(row["name"], *cells)
    Console(width=None if Console().is_terminal else 120).print(table)
    if answer["left_out"]:
        typer.echo(
            f"{answer['left_out']} prompts have fewer than {n} responses in a fold: left out", err=True
        )


def _short(value: float | None) -> str:
    return "?" if value is None else f"{value:.3g}"


def _real(names: list[str], n: int, k: int, values: list[float], as_json: bool, everything: bool) -> None:
    import numpy as np

    from acute.core.advantages.registry import ESTIMATORS
    from acute.core.profiler import profile_real
    from acute.testing.load import load

    if everything:
        names = [name for name in names if ESTIMATORS[name].real_rewards]
    grid = np.array(SHOWN)
    found = [profile_real(load(x, n, k).advantage, np.array(values), n, k, name=x, p=grid) for x in names]
    if as_json:
        estimators = [_plain(asdict(x)) for x in found]
        typer.echo(json.dumps({"n": n, "k": k, "rewards": values, "estimators": estimators}))
    else:
        _real_table(found, n, k)


def _real_table(found: list["RealProfile"], n: int, k: int) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title=f"Rewards {[float(x) for x in found[0].values]}: multiple of ∇ max@{k}, groups of n = {n}"
    )
    table.add_column("estimator")
    for p in SHOWN:
        table.add_column(f"p={p:g}", justify="right")
    for x in found:
        cells = (
            f"{m:.3g}" if e < 1e-6 else f"{m:.3g} ± {100 * e:.0f} %"
            for m, e in zip(x.multiple, x.error, strict=True)
        )
        table.add_row(x.name, *cells)
    console = Console(width=None if Console().is_terminal else 140)
    console.print(table)
    console.print(
        "p: the law of the rewards, a ladder climbed Bin(values - 1, p) steps. "
        "± e %: the share of the update that is no multiple of ∇ max@k.",
        highlight=False,
    )
