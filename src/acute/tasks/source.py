"""One entry for every source of prompts."""

from pathlib import Path
from typing import Any

from acute.errors import ConfigError
from acute.tasks.arithmetic import draw
from acute.tasks.files import read_prompts


def prompt_rows(
    source: str, limit: int | None, families: tuple[str, ...] | None, per_family: int, seed: int
) -> list[dict[str, Any]]:
    """Prompt rows of a source: "arithmetic" (built in), or a path to .jsonl or .parquet.

    Raises ConfigError for an unknown source or family, TableError for a file that is not prompts.
    """
    if source == "arithmetic":
        return draw(families, per_family, seed)[:limit]
    if not source.endswith((".jsonl", ".parquet")):
        raise ConfigError(
            f'prompts.source: wanted "arithmetic" or a path that ends in .jsonl or .parquet, found {source!r}'
        )
    rows = read_prompts(Path(source))
    if families is not None:
        known = {row.get("family") for row in rows}
        if lost := [family for family in families if family not in known]:
            raise ConfigError(f"prompts.families: {source} has no prompt of the family {lost[0]!r}")
        rows = [row for row in rows if row.get("family") in families]
    return rows[:limit]
