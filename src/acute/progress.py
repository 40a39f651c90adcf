"""Progress on standard error: how far, tokens a second, time left."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class _TokensPerSecond(ProgressColumn):
    """Tokens a second since the stage began; nothing where a stage counts none."""

    def render(self, task: Task) -> Text:
        """The rate as text."""
        tokens, seconds = task.fields["tokens"], task.elapsed or 0
        return Text(f"{tokens / seconds:,.0f} tokens/s" if tokens and seconds else "", style="dim")


class Tracker:
    """Tells the bar of one stage how far the work is."""

    def __init__(self, progress: Progress, label: str, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task(label, total=total, tokens=0)
        self._tokens = 0

    def advance(self, steps: int = 1) -> None:
        """So many of `total` more are done."""
        self._progress.advance(self._task, steps)

    def tokens(self, count: int) -> None:
        """So many tokens more were computed."""
        self._tokens += count
        self._progress.update(self._task, tokens=self._tokens)


@contextmanager
def tracked(label: str, total: int, shown: bool = True) -> Iterator[Tracker]:
    """A progress bar on standard error for the length of the block; of several ranks one shows it."""
    console = Console(file=sys.stderr, force_jupyter=False)  # its widget would need ipywidgets
    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        _TokensPerSecond(),
    )
    with Progress(*columns, console=console, disable=not shown) as progress:
        yield Tracker(progress, label, total)
