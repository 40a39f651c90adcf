"""The report: one HTML page that opens from a mail attachment, offline."""

from pathlib import Path
from typing import Any

from acute.report import curves, html, kernel_figure, prompt_figures
from acute.report.figure_table import numbers_of
from acute.report.left_out import left_out
from acute.report.numbers import Json, Shown, number, p_value, show
from acute.report.reading import RunData, at_k, read_run
from acute.report.repeat import toml
from acute.report.rows import beyond_rows, costliest, family_rows, k_rows, labels, prompt_rows
from acute.report.safe_text import visible
from acute.report.verdict import k_dagger, verdict
from acute.report.verifier import if_it_errs
from acute.table import write_atomically

# figures whose numbers stand in no table of the page otherwise
OWN_TABLE = ("agreement_histogram", "contribution_histogram", "between_families", "interference")


def write_page(folder: Path) -> Path:
    """Write `folder/report.html` from the run folder, whole or not at all, and return its path.

    A run in the subfolder `control` is shown beside it. Raises InputError or TableError if a file of
    the run is missing or has not the form of docs/contract, OutsideError if the page cannot be written.
    """
    folder = Path(folder)
    page = render(read_run(folder))
    target = folder / "report.html"
    write_atomically(target, page.encode("utf-8"))
    return target


def render(data: RunData) -> str:
    """The page as text."""
    return html.render("template.html", scripts=("prompts.js",), **_context(data))


def _context(data: RunData) -> Json:
    """Everything that the template reads."""
    analysis, k = data.analysis, data.headline_k
    names = labels(data.prompts)
    prompts, room = prompt_rows(data, names)
    figures = figures_of_run(data)
    return {
        "title": _title(data),
        "analysis": analysis,
        "k": k,
        "verdict": verdict(analysis),
        "facts": _facts(analysis, k),
        "costliest": costliest(analysis, prompts),
        "families": family_rows(analysis),
        "control": _control(data.control),
        "figures": figures,
        "tables": {n: found for n in OWN_TABLE if n in figures and (found := numbers_of(figures[n]))},
        "pairs": _pairs(data, names),
        "hurt": [(visible(a), visible(b)) for a, b in kernel_figure.hurt_families(analysis)],
        "k_rows": k_rows(analysis),
        "beyond_rows": beyond_rows(analysis),
        "prompts": prompts,
        "room": room,
        "levels": prompt_figures.levels(data.run),
        "left_out": left_out(data.run, analysis),
        "repeat": _repeat(data.run),
        "certificate": analysis.get("certificate"),
        "k_star": analysis.get("k_star"),
        "verifier": if_it_errs(analysis),
    }


def _title(data: RunData) -> Json:
    config = data.run.get("config") or {}
    model = (config.get("model") or {}).get("name") or "unknown model"
    source = (config.get("prompts") or {}).get("source") or "unknown prompts"
    return {
        "model": visible(str(model)),
        "source": visible(Path(str(source)).name),
        "folder": data.folder.name,
    }


def _facts(analysis: Json, k: int) -> list[Json]:
    """The single numbers of the first screen."""
    agreement = analysis.get("agreement") or {}
    p, few = at_k(analysis, "p_value_negative", k), "too few responses for this k"
    few = analysis["conflict"].get("reason") or few
    odds = show(None, few) if p is None else Shown(p_value(p), "", p)
    return [
        {"name": "k†, first negative inner product", "shown": k_dagger(analysis)},
        {"name": f"cosine at k = {k:,}", "shown": show(at_k(analysis, "cosine", k), few, signed=True)},
        {"name": f"p-value of “no conflict” at k = {k:,}", "shown": odds},
        {"name": "prompts that pull against pass@1", "shown": _percent(agreement.get("fraction_negative"))},
    ]


def _percent(estimate: Json | None) -> Any:
    """A share in per cent; its exact value stays."""
    shown = show(estimate)
    if shown.value is None:
        return shown
    ends = (shown.lo, shown.hi)
    interval = (
        shown.interval if None in ends else f"{100 * (shown.lo or 0):.0f} to {100 * (shown.hi or 0):.0f} %"
    )
    return shown._replace(text=f"{100 * shown.value:.0f} %", interval=interval)


def _control(control: RunData | None) -> Json | None:
    """What the page says of the control run."""
    if control is None:
        return None
    said = verdict(control.analysis)
    k = control.headline_k
    return {
        "verdict": said,
        "title": _title(control),
        "prompts": control.analysis["prompts"],
        "responses": control.analysis["responses"],
        "k": k,
        "cosine": show(at_k(control.analysis, "cosine", k), signed=True),
        "k_dagger": k_dagger(control.analysis),
        "k_rows": k_rows(control.analysis),
        "families": family_rows(control.analysis),
    }


def figures_of_run(data: RunData) -> dict[str, Json]:
    """The figures by name; one without a single point is left out and the page says so."""
    names, k = labels(data.prompts), data.headline_k
    analysis, rows = data.analysis, data.analysis.get("per_prompt") or []
    beside = data.control.analysis if data.control else None
    at, agreement = prompt_figures.levels(data.run), analysis.get("agreement") or {}
    weighted = agreement.get("weighted_mean") or at_k(analysis, "inner", k)
    unweighted = agreement.get("unweighted_mean")
    figures = {
        "cosine": curves.cosine(analysis, beside),
        "inner": curves.inner(analysis, beside),
        "pass_at_k": curves.pass_at_k(analysis, beside),
        "agreement_against_p": prompt_figures.agreement_against_p(rows, names),
        "agreement_histogram": prompt_figures.agreement_histogram(rows, unweighted, at),
        "weight_by_p": prompt_figures.weight_by_p(rows, names, k),
        "contribution_histogram": prompt_figures.contribution_histogram(rows, unweighted, weighted, at),
    }
    if (map_of_pairs := kernel_figure.interference(data.folder, rows, names)) is not None:
        figures["interference"] = map_of_pairs
    if (map_of_families := kernel_figure.between_families(analysis)) is not None:
        figures["between_families"] = map_of_families
    return {name: figure for name, figure in figures.items() if any(t.get("y") for t in figure["data"])}


def _pairs(data: RunData, names: dict[str, str]) -> list[Json]:
    """The pairs of prompts that surely interfere, as sentences of two prompts."""
    return [
        {"a": names.get(a, a), "b": names.get(b, b), "kappa": number(kappa, se, True), "se": number(se, se)}
        for a, b, kappa, se in kernel_figure.worst_pairs(data.folder)
    ]


def _repeat(run: Json) -> Json:
    """How to start the same run again."""
    config = {**(run.get("config") or {})}
    if run.get("seed") is not None:
        config = {"seed": run["seed"], **config}
    seconds = {name: (facts or {}).get("seconds") for name, facts in (run.get("stages") or {}).items()}
    imported = config.pop("imported", None)
    return {
        "toml": visible(toml(config)) if config and not imported else "",
        "imported": visible(str(imported["path"])) if imported else "",
        "versions": {str(k): str(v) for k, v in (run.get("versions") or {}).items() if v is not None},
        "git": run.get("git"),
        "seed": run.get("seed"),
        "stages": {name: s for name, s in seconds.items() if s is not None},
        "acute": visible(str(run.get("acute") or "of an unknown version")),
    }
