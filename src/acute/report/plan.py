"""A plan on the terminal."""

from collections.abc import Iterator
from typing import Any

from rich.table import Table
from rich.text import Text

Json = dict[str, Any]
BYTES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
TIMES = ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes"), (1.0, "seconds"))


def _scaled(value: float, units: tuple[tuple[float, str], ...], least: str) -> str:
    for size, name in units:
        if value >= 1.5 * size or (size == units[0][0] and value >= size):
            return f"{value / size:.3g} {name}"
    return f"{value:.2g} {least}"


def volume(value: float) -> str:
    """Bytes in a unit that fits.

    >>> volume(1.05e11)
    '105 GB'
    """
    return _scaled(value, BYTES, "bytes")


def duration(seconds: float) -> str:
    """Seconds in a unit that fits.

    >>> duration(7200)
    '2 hours'
    """
    return _scaled(seconds, TIMES, "seconds")


def page(found: Json) -> Iterator[Table | Text]:
    """The tables of a plan and what it assumes."""
    cards, model = found["cards"], found["model"]
    where = "this machine" if cards is None else f"{cards['count']} × {cards['name']}"
    yield Text(
        f"{found['prompts']:,} prompts × {found['n']} responses, {found['tokens_a_prompt']:.4g} + "
        f"{found['tokens_a_response']:.4g} tokens; {model['parameters']:,} parameters, gradients in "
        f"{model['selected_parameters']:,}; {where}"
    )
    yield _stages(found)
    yield _amounts(found)
    for warning in found["warnings"]:
        yield Text(f"! {warning}")
    for assumption in found["assumed"]:
        yield Text(f"assumed: {assumption}")


def _stages(found: Json) -> Table:
    measured = any(stage["cpu_seconds"] is not None for stage in found["stages"])
    table = Table(title=f"time: {duration(found['seconds'])}")
    table.add_column("stage")
    table.add_column("time", justify="right")
    if measured:
        table.add_column("of processors", justify="right")
    table.add_column("spent on")
    for stage in found["stages"]:
        cpu = stage["cpu_seconds"]
        row = [stage["name"], duration(stage["seconds"])]
        row += ["" if cpu is None else duration(cpu)] if measured else []
        table.add_row(*row, stage["limit"])
    return table


def _amounts(found: Json) -> Table:
    tokens, flop, memory, disk = (found[name] for name in ("tokens", "flop", "memory", "disk"))
    table = Table(show_header=False)
    table.add_column()
    table.add_column(justify="right")
    rows = [
        (
            "tokens of prompts, of responses",
            f"{tokens['prompt_tokens']:.3g}, {tokens['response_tokens']:.3g}",
        ),
        ("tokens in rows, as a trainer feeds them", f"{tokens['in_rows_tokens']:.3g}"),
        (
            "tokens fed by scoring, forward and backward",
            f"{tokens['score_forward_tokens']:.3g}, {tokens['score_backward_tokens']:.3g}",
        ),
        ("operations of sampling", f"{flop['rollout_flop']:.3g} FLOP"),
        ("operations of scoring", f"{flop['score_flop']:.3g} FLOP"),
        ("a trainer's forward and backward", f"{flop['forward_backward_in_rows_flop']:.3g} FLOP"),
        ("memory: weights", volume(memory["weights_bytes"])),
        ("memory of sampling, with the cache of 256 rows", volume(memory["rollout_bytes"])),
        ("memory of scoring, a rank", volume(memory["score_replica_bytes"])),
        ("… weights sharded over the ranks", volume(memory["score_sharded_bytes"])),
        ("disk: tables", volume(disk["tables_bytes"])),
        ("disk: sketches", volume(disk["sketches_bytes"])),
        ("disk at most, while sketches are gathered", volume(disk["while_scoring_bytes"])),
    ]
    for row in rows:
        table.add_row(*row)
    return table
