"""What the numbers do not rest on, and what was assumed: one sentence each."""

import json
from typing import Any

from acute.report.numbers import Json, count, number, value_of
from acute.report.safe_text import one_line

LONG = 300  # characters of a free remark


def left_out(run: Json, analysis: Json) -> list[str]:
    """Sentences about exclusions, truncation, unknowns, the estimand and the error of the method."""
    return [
        *_excluded(analysis),
        *_counts(analysis),
        *_checking(run),
        *_unknown(analysis),
        *_reasons(analysis),
        *_noted(run, analysis),
        *_method(run, analysis),
    ]


def _excluded(analysis: Json) -> list[str]:
    given = {reason: n for reason, n in (analysis.get("excluded") or {}).items() if n}
    if not given:
        return ["No prompt and no response was excluded from the analysis."]
    return [f"Excluded: {n:,} — {one_line(str(reason), LONG)}." for reason, n in given.items()]


def _counts(analysis: Json) -> list[str]:
    counts, said = analysis.get("counts") or {}, []
    responses = analysis["responses"]
    if (cut := counts.get("truncated")) is not None:
        share = f" ({100 * cut / responses:.1f} %)" if responses and cut else ""
        said.append(
            f"{count(cut, 'response')}{share} ended at the length limit; the verifiers short and math "
            f"take an answer at such an end for cut off, exact compares the whole response."
        )
    if none := counts.get("no_success"):
        said.append(
            f"{count(none, 'prompt')} without a single success: the estimate of its gradient is zero "
            f"or unknown, though the true one need not be. More responses would show it."
        )
    if every := counts.get("all_success"):
        said.append(f"{count(every, 'prompt')} answered right every time: no signal either.")
    return said


def _checking(run: Json) -> list[str]:
    """Where checking failed, or found an answer that it could not read: by family."""
    facts = (run.get("stages") or {}).get("verify") or {}
    said = []
    for outcome, what in (("timeout", "ran out of time"), ("error", "failed")):
        families = (facts.get("no_reward") or {}).get(outcome)
        if families:
            where = ", ".join(f"{one_line(name or 'no family', 60)} {n:,}" for name, n in families.items())
            said.append(
                f"Checking {what} for {count(sum(families.values()), 'response')} ({where}): they have no "
                f"reward, which is not a reward of 0."
            )
    if unread := facts.get("answers_found_but_not_read"):
        said.append(
            f"{count(unread, 'response')} stated an answer that the verifier could not read and counted as "
            f"wrong. Where there are many, look at them: the fault may be the verifier's."
        )
    return said


def _unknown(analysis: Json) -> list[str]:
    rows = analysis.get("per_prompt") or []
    lacking = sum(value_of(row.get("agreement")) is None for row in rows)
    said = []
    if lacking:
        said.append(
            f"{count(lacking, 'prompt')} of {len(rows):,} without an estimate of agreement: shown as a dash "
            f"with the reason, never as 0, and absent from the figures."
        )
    conflict = analysis["conflict"]
    if conflict.get("reason"):
        return [f"Everything about gradients: {one_line(conflict['reason'], LONG)}."]
    if gaps := [k for k, e in zip(conflict["k"], conflict["cosine"], strict=True) if value_of(e) is None]:
        ks = ", ".join(f"{k:,}" for k in gaps)
        said.append(f"No cosine could be had at k = {ks}: an estimated squared length is not positive.")
    return said


def _reasons(analysis: Json) -> list[str]:
    """Why single numbers are not given; those of one k stand in the table of k."""
    told = (analysis.get("reasons") or {}).items()
    return [f"{name}: not given — {one_line(why, LONG)}." for name, why in told if not name[-1].isdigit()]


def _noted(run: Json, analysis: Json) -> list[str]:
    """What the stages wrote down themselves, as they wrote it, but for what the analysis says already."""
    noted = run.get("left_out") or []
    if isinstance(noted, dict):
        said_already = analysis.get("excluded") or {}
        noted = {key: value for key, value in noted.items() if key not in said_already}
    entries: list[Any] = (
        [f"{key}: {_plain(value)}" for key, value in noted.items()] if isinstance(noted, dict) else noted
    )
    said = [f"Noted by the run: {one_line(_plain(entry), LONG)}" for entry in entries]
    return said + [
        f"Check “{one_line(str(name).replace('_', ' '), 60)}”: {one_line(_plain(found), LONG)}"
        for name, found in (run.get("checks") or {}).items()
    ]


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return number(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _method(run: Json, analysis: Json) -> list[str]:
    """The estimand and the error that the engine adds."""
    score = (run.get("config") or {}).get("score") or {}
    said = [
        f"All figures but those marked “distribution” are about these "
        f"{count(analysis['prompts'], 'prompt')}: their intervals carry the noise of the responses, not that "
        f"of having drawn these prompts and no others."
    ]
    if analysis["conflict"].get("reason"):
        return said
    if parameters := analysis.get("parameters") or score.get("parameters"):
        said.append(
            f"Gradients are taken in: {one_line(str(parameters), LONG)}. Another choice of parameters, or "
            f"an optimiser that rescales them, is another inner product."
        )
    if (analysis.get("engine") or score.get("engine")) == "sketch":
        size = score.get("sketch_size") or 65536
        said.append(
            f"Gradients were compared through a random sketch of {size:,} numbers: unbiased, and it adds an "
            f"error of about ±{number(size**-0.5)} to a cosine."
        )
    return said
