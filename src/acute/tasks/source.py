"""One entry for every source of prompts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acute.errors import ConfigError
from acute.tasks.arithmetic import draw
from acute.tasks.files import checked, is_file, read_rows
from acute.tasks.presets import PRESETS, preset_rows

Row = dict[str, Any]
KINDS = (
    f'"arithmetic" (built in), {", ".join(PRESETS)}, a path that ends in .jsonl, .jsonl.gz or .parquet, '
    f'"hf:dataset[:split]" or "reasoning-gym:task"'
)


@dataclass(frozen=True)
class Source:
    """Which prompts are taken, and the text around them: see `acute.config.PromptsConfig`."""

    source: str
    path: str | None = None
    subset: str | None = None
    columns: dict[str, str] | None = None
    template: str | None = None
    prefix: str | None = None
    limit: int | None = None
    families: tuple[str, ...] | None = None
    per_family: int = 8


def prompt_rows(source: Source, seed: int, chat: bool) -> list[Row]:
    """Prompt rows of a source. `chat`: whether the model has a chat template.

    Raises ConfigError for an unknown source, family or column, TableError for rows that are no prompts, and
    what `hub_rows` and `gym_rows` raise.
    """
    name = source.source
    if name == "arithmetic":
        rows = draw(source.families, source.per_family, seed)
    elif name.startswith("reasoning-gym:"):
        from acute.tasks.gym import gym_rows

        rows = gym_rows(name.removeprefix("reasoning-gym:"), source.per_family, seed)
    else:
        rows = _of_families(_read(source), source.families, name)
    return [_framed(row, source, chat) for row in rows[: source.limit]]


def _read(source: Source) -> list[Row]:
    """The rows of a file, a data set or a preset."""
    name = source.source
    if name in PRESETS:
        origin, raw = _of_preset(source)
        made = preset_rows(name, [row for _, row in raw], origin)
        return checked([(f"row {place}", row) for place, row in enumerate(made)], origin)
    if name.startswith("hf:"):
        from acute.tasks.hub import hub_rows

        data_set, _, split = name.removeprefix("hf:").partition(":")
        found = hub_rows(data_set, source.subset, split or None)
        raw = [(f"row {place}", row) for place, row in enumerate(found)]
    elif is_file(name):
        raw = read_rows(Path(name))
    else:
        raise ConfigError(f"prompts.source: wanted {KINDS}, found {name!r}")
    if source.columns is not None:
        raw = [(where, _renamed(row, source.columns, place, name)) for place, (where, row) in enumerate(raw)]
    return checked(raw, name)


def _of_preset(source: Source) -> tuple[str, list[tuple[str, Any]]]:
    """A preset's raw rows, and where they were read."""
    preset = PRESETS[source.source]
    if source.path is not None:
        return source.path, read_rows(Path(source.path))
    from acute.tasks.hub import hub_rows

    found = hub_rows(preset.hub, source.subset or preset.subset, "test")
    return f"hf:{preset.hub}:test", [(f"row {place}", row) for place, row in enumerate(found)]


def _renamed(row: Any, columns: dict[str, str], place: int, origin: str) -> Row:
    """A row with our names for its columns, numbers as text; `prompt_id` is its place unless a column is."""
    found: Row = {"prompt_id": f"{place:06d}"}
    for ours, theirs in columns.items():
        if not isinstance(row, dict) or theirs not in row:
            there = ", ".join(row) if isinstance(row, dict) else type(row).__name__
            raise ConfigError(
                f"prompts.columns.{ours}: wanted a column of {origin} ({there}), found {theirs!r}"
            )
        value = row[theirs]
        found[ours] = str(value) if isinstance(value, int | float) and ours != "messages" else value
    return found


def _of_families(rows: list[Row], families: tuple[str, ...] | None, origin: str) -> list[Row]:
    if families is None:
        return rows
    known = {row.get("family") for row in rows}
    if lost := [family for family in families if family not in known]:
        raise ConfigError(f"prompts.families: {origin} has no prompt of the family {lost[0]!r}")
    return [row for row in rows if row.get("family") in families]


def _framed(row: Row, source: Source, chat: bool) -> Row:
    """A row with the texts that stand around the question: in the prompt, or in the last message."""
    preset = PRESETS.get(source.source)
    template = source.template or (preset and (preset.chat if chat else preset.plain))
    if template is None and source.prefix is None:
        return row

    def framed(question: str) -> str:
        return (source.prefix or "") + (template or "{prompt}").replace("{prompt}", question)

    if row.get("messages") is None:
        return {**row, "prompt": framed(row["prompt"])}
    *before, last = row["messages"]
    return {**row, "messages": [*before, {**last, "content": framed(last["content"])}]}
