"""The profile of a log as one static page: no script, nothing loaded, whatever its texts say stays text."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from markupsafe import Markup

from acute.report.html import asset, environment
from acute.report.numbers import Json, Shown, number, show
from acute.report.safe_text import clip, one_line, visible
from acute.table import write_atomically

SHOWN = 1500  # characters of a text
NAME = 200  # characters of a name, of a family or of an id


class Texts(Protocol):
    """Where the texts stand: a run folder, or what has its two tables."""

    def prompts(self) -> Any:
        """pyarrow.Table with prompt_id, prompt, answer."""

    def responses(self) -> Any:
        """pyarrow.Table with response_id, prompt_id, response."""


def write_profile_page(target: Path, profile: Json, run: Texts) -> Path:
    """Write what `acute profile RUN` found as HTML, whole or not at all; `run` is where the texts stand.

    Raises OutsideError where it cannot be written.
    """
    page = render(profile, _texts(profile, run))
    write_atomically(target, page.encode("utf-8"))
    return target


def render(profile: Json, texts: Mapping[str, Json]) -> str:
    """The page. `texts` has a row with "prompt", "answer" and "response" for each example of a fault."""
    most = max(bar["prompts"] for bar in profile["p_histogram"]) or 1
    return (
        environment()
        .get_template("profile.html")
        .render(
            css=Markup(asset("page.css")),
            run=one_line(profile["run"], NAME),
            profile=profile,
            bars=[
                {**bar, "name": _bar(bar), "length": bar["prompts"] / most} for bar in profile["p_histogram"]
            ],
            passed=[(int(k), show(e)) for k, e in profile["pass_at_k"].items()],
            silent=_percent(profile["zero_signal"]["share"]),
            truncated=_truncated(profile["truncated"]),
            estimators=[_estimator(row) for row in profile["estimators"]],
            faults=[_fault(fault, texts) for fault in profile["suspected_faults"]],
            notes=[(visible(topic), visible(said)) for topic, said in profile["notes"].items()],
        )
    )


def _texts(profile: Json, run: Texts) -> dict[str, Json]:
    """The examples of suspected faults, by response_id, with their prompt's text and answer."""
    import pyarrow as pa
    import pyarrow.compute as pc

    wanted = pa.array({i for fault in profile["suspected_faults"] for i in fault["examples"]}, pa.string())
    responses = run.responses().select(["response_id", "prompt_id", "response"])
    found = responses.filter(pc.is_in(responses["response_id"], wanted)).to_pylist()
    prompts = run.prompts().select(["prompt_id", "prompt", "answer"])
    asked = pa.array({row["prompt_id"] for row in found}, pa.string())
    about = {r["prompt_id"]: r for r in prompts.filter(pc.is_in(prompts["prompt_id"], asked)).to_pylist()}
    return {row["response_id"]: {**about.get(row["prompt_id"], {}), **row} for row in found}


def _bar(bar: Json) -> str:
    if bar["from"] == bar["to"]:
        return "never right" if bar["from"] == 0 else "always right"
    return f"{bar['from']:g} to {bar['to']:g}"


def _percent(share: float | None) -> str:
    return "not known" if share is None else f"{number(100 * share)}\N{NO-BREAK SPACE}%"


def _truncated(cut: Json | None) -> str:
    if cut is None:
        return "not known: the log does not say how responses ended"
    return f"{_percent(cut['share'])} of the responses, {cut['right']:,} of them right"


def _estimator(row: Json) -> Json:
    share = row["hard_share"]
    return {
        "name": one_line(row["name"], NAME),
        "objective": one_line(row["objective"], NAME),
        "mean_weight": number(row["mean_weight"]),
        "share": _share(share),
        "overstated": share is not None and share["value"] is not None and not row["cross_fitted"],
        "silent": _percent(row["without_signal"]),
    }


def _share(share: Json | None) -> Shown:
    if share is None or share["value"] is None:
        return Shown("", "", reason="no weight, or too few responses")
    ends = None if share["lo"] is None else f"{_percent(share['lo'])} to {_percent(share['hi'])}"
    return Shown(_percent(share["value"]), ends or "", share["value"])


def _fault(fault: Json, texts: Mapping[str, Json]) -> Json:
    return {
        "kind": fault["kind"],
        "responses": fault["responses"],
        "families": [
            {**f, "family": one_line(str(f["family"] or "no family"), NAME)} for f in fault["families"][:8]
        ],
        "examples": [_example(name, texts.get(name, {})) for name in fault["examples"]],
    }


def _example(name: str, texts: Mapping[str, Any]) -> Json:
    parts = ("prompt", "answer", "response")
    return {"id": one_line(name, NAME), **{part: clip(texts.get(part) or "", SHOWN) for part in parts}}
