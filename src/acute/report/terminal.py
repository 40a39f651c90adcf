"""The report for the terminal: the verdict, the numbers by k, and where the page stands."""

from collections.abc import Iterable
from pathlib import Path

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from acute.report.numbers import Json, Shown, count, show
from acute.report.reading import at_k, headline_k, read_prompts
from acute.report.rows import costs, family_rows, k_rows
from acute.report.rows import labels as labels_of
from acute.report.safe_text import one_line, shorten, visible
from acute.report.verdict import CALM, CONFLICT, k_dagger, verdict

COLOURS = {CONFLICT: "bold red", CALM: "bold green"}
MOST_K, MOST_FAMILIES, MOST_PROMPTS = 10, 6, 5
WIDEST = 56  # characters of a prompt or of a family's name


def summary(
    analysis: Json,
    control: Json | None = None,
    page: Path | None = None,
    labels: dict[str, str] | None = None,
) -> RenderableType:
    """What `acute run` prints at its end, as a rich renderable.

    `analysis` and `control` are the contents of analysis.json; `page` is the report's path; `labels` gives
    prompts by prompt_id a short text, as `prompt_labels` reads it (their id is shown otherwise).
    """
    said = verdict(analysis)
    parts: list[RenderableType] = [Text(said.title, COLOURS.get(said.answer, "bold yellow"))]
    parts += [Text(sentence) for sentence in said.details]
    parts += [_gap(_by_k(analysis))]
    tables = _held_out(analysis), _families(analysis), _prompts(analysis, labels or {})
    parts += [_gap(table) for table in tables if table.row_count]
    if control is not None:
        other = verdict(control)
        k = headline_k(control)
        cosine = show(at_k(control, "cosine", k), signed=True)
        title = (other.title, COLOURS.get(other.answer, "bold yellow"))
        parts.append(_gap(Text.assemble("Control: ", title, f" Cosine at k = {k:,}: {cosine}.")))
    if page is not None:
        parts.append(_gap(Text.assemble("Report: ", (str(page), "underline"), overflow="fold")))
    return Group(*parts)


def prompt_labels(folder: Path) -> dict[str, str]:
    """A short text for each prompt of a run folder, by prompt_id. Raises TableError."""
    return labels_of(read_prompts(folder / "prompts.parquet"))


def _gap(part: RenderableType) -> Padding:
    return Padding(part, (1, 0, 0, 0))


def _table(title: str, columns: Iterable[str]) -> Table:
    table = Table(
        title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0), pad_edge=False
    )
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right", header_style="dim")
    return table


def _cell(shown: Shown) -> Text:
    if shown.value is None:
        return Text(str(shown), "dim")
    return Text.assemble(shown.text, (f"  {shown.interval}" if shown.interval else "", "dim"))


def _by_k(analysis: Json) -> Table:
    if analysis["conflict"].get("reason"):  # said above the table: there is pass@k alone
        table = _table("By k", ("k", "pass@k, 95 % interval"))
        for row in k_rows(analysis):
            table.add_row(f"{row.k:,}", _cell(row.cells["pass_at_k"]))
        return table
    start = k_dagger(analysis)
    found = f"k† = {start.text} ({start.interval})" if start.value is not None else f"k† {start}"
    table = _table(
        f"By k; {found}", ("k", "cosine, 95 % interval", "inner product", "naive cosine", "pass@k")
    )
    rows = k_rows(analysis)
    step = -(-len(rows) // MOST_K)
    for row in rows[:: -step or 1][::-1]:  # the largest k stays when some must go
        cells = row.cells
        bare = [Text(cells[name].text) for name in ("inner", "naive_cosine", "pass_at_k")]
        table.add_row(f"{row.k:,}", _cell(cells["cosine"]), *bare)
    return table


def _held_out(analysis: Json) -> Table:
    """What a step along ∇J_k does to pass@1 of families held out; no rows where there are none."""
    held = analysis.get("held_out") or {"prompts": 0, "k": [], "inner": [], "inner_population": []}
    title = f"Pass@1 of {count(held['prompts'], 'held-out prompt')} along ∇J_k of the others: inner product"
    table = _table(title, ("k", "these prompts", "prompts like these"))
    for k, these, like in zip(held["k"], held["inner"], held["inner_population"], strict=True):
        table.add_row(f"{k:,}", _cell(show(these, signed=True)), _cell(show(like, signed=True)))
    return table


def _families(analysis: Json) -> Table:
    title = f"Families, by their share of the cosine at k = {headline_k(analysis):,}"
    table = _table(title, ("family", "prompts", "share", "agreement", "pass@1"))
    for row in family_rows(analysis)[:MOST_FAMILIES]:
        name = Text(one_line(row.name, WIDEST))
        table.add_row(name, f"{row.prompts:,}", Text(row.share.text), _cell(row.agreement), Text(row.p.text))
    return table


def _prompts(analysis: Json, labels: dict[str, str]) -> Table:
    shown = costs(analysis, MOST_PROMPTS)
    title = f"Prompts that cost most ({len(shown)} of {count(analysis['prompts'], 'prompt')})"
    table = _table(title, ("prompt", "share of the cosine", "pass@1"))
    for row in shown:
        name = Text(shorten(labels.get(row["prompt_id"]) or visible(row["prompt_id"]), WIDEST))
        table.add_row(name, _cell(show(row["share"], signed=True)), Text(show(row.get("p")).text))
    return table
