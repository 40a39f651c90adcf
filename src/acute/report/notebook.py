"""How a run and its analysis show themselves in a notebook: the verdict and the numbers by k, as HTML."""

from collections.abc import Iterable, Sequence

from markupsafe import Markup

from acute.report.numbers import Json, count
from acute.report.rows import family_rows, k_rows
from acute.report.safe_text import one_line
from acute.report.verdict import verdict

MOST_FAMILIES = 12
LONGEST = 120  # characters of a path or a family's name


def analysis_html(analysis: Json) -> str:
    """The verdict, a row a k and a row a family. Every text of a model or a file is escaped."""
    said = verdict(analysis)
    by_k = [
        [f"{row.k:,}", *(str(row.cells[name]) for name in ("cosine", "inner", "pass_at_k"))]
        for row in k_rows(analysis)
    ]
    families = [
        [one_line(row.name, LONGEST), f"{row.prompts:,}", *map(str, (row.share, row.agreement, row.p))]
        for row in family_rows(analysis)[:MOST_FAMILIES]
    ]
    parts = [
        Markup("<p><b>{}</b> {}</p>").format(said.title, " ".join(said.details)),
        _table(("k", "cosine", "inner product", "pass@k"), by_k),
    ]
    if families:
        parts.append(_table(("family", "prompts", "share of the cosine", "agreement", "pass@1"), families))
    return str(Markup("").join(parts))


def run_html(path: str, record: Json, stages: Sequence[str], analysis: Json | None) -> str:
    """Where the run lies and how far it is, then its analysis if it has one."""
    model = ((record["config"].get("model") or {}).get("name")) or "no model"
    done = [name for name in stages if name in record["stages"]]
    left = [name for name in stages if name not in record["stages"]]
    said = f"done: {', '.join(done) or 'nothing'}" + (f"; next: {left[0]}" if left else "")
    head = Markup("<p><code>{}</code> · {} · {}</p>").format(
        one_line(path, LONGEST), one_line(str(model), LONGEST), said
    )
    if analysis is None:
        return str(head)
    counted = f"{count(analysis['prompts'], 'prompt')}, {count(analysis['responses'], 'response')}"
    return str(head + Markup("<p>{}</p>").format(counted) + Markup(analysis_html(analysis)))


def _table(headings: Iterable[str], rows: Iterable[Sequence[str]]) -> Markup:
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(name) for name in headings)
    body = Markup("").join(
        Markup('<tr><th scope="row">{}</th>{}</tr>').format(
            row[0], Markup("").join(Markup("<td>{}</td>").format(cell) for cell in row[1:])
        )
        for row in rows
    )
    return Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(head, body)
