"""The sentences that the page and the terminal share, computed from the analysis.

They claim what the intervals carry: conflict where one lies wholly below 0, none where all lie above,
and otherwise that nothing can be told.
"""

from typing import Any, NamedTuple

from acute.report.numbers import (
    UNKNOWN,
    Json,
    Shown,
    between,
    count,
    listed,
    p_value,
    show,
    show_k,
    value_of,
)
from acute.report.reading import at_k, headline_k

CONFLICT, CALM, UNSURE = "conflict", "no conflict", "cannot tell"


class Verdict(NamedTuple):
    """The answer, its one-line sentence, and the sentences that say how sure and about what."""

    answer: str
    title: str
    details: list[str]


def verdict(analysis: Json) -> Verdict:
    """What the analysis says about these prompts and about the distribution they come from."""
    answer = _answer(analysis)
    say = {CONFLICT: _conflict, CALM: _calm, UNSURE: _unsure}[answer]
    title, details = say(analysis)
    if unseen := _never_right(analysis):
        details = [*details, unseen]
    if about_all := _population(analysis, answer):
        details = [*details, about_all]
    return Verdict(answer, title, details)


def _never_right(analysis: Json) -> str | None:
    """What no interval counts: prompts without a success, which pass@k weighs most."""
    n = (analysis.get("counts") or {}).get("no_success") or 0
    if not n:
        return None
    who = "1 prompt was" if n == 1 else f"{n:,} prompts were"
    return f"{who} never right: what they add, most of all at large k, was not seen and is in no interval."


def k_dagger(analysis: Json) -> Shown:
    """k†, the smallest k with a negative inner product, or the reason why there is none."""
    largest = largest_k(analysis)
    seen = [value_of(e) for part in ("conflict", "curve") for _, e in _inner(analysis, part)]
    negative = any(value is not None and value < 0 for value in seen)
    why = analysis["conflict"].get("reason") or UNKNOWN
    if not negative and any(value is not None for value in seen):
        why = f"no negative inner product up to k = {largest:,}"
    return show_k(analysis.get("k_dagger"), largest, why)


def largest_k(analysis: Json) -> int:
    """The largest k that was looked at."""
    return int(max([*analysis["conflict"]["k"], *((analysis.get("curve") or {}).get("k") or [])]))


def below_zero(analysis: Json, part: str = "conflict") -> list[int]:
    """The k whose whole interval of the inner product lies below 0."""
    return [k for k, e in _inner(analysis, part) if (hi := value_of(e, "hi")) is not None and hi < 0]


def _inner(analysis: Json, part: str = "conflict") -> list[tuple[int, Any]]:
    table = analysis.get(part) or {}
    return list(zip(table.get("k") or [], table.get("inner") or [], strict=False))


def _answer(analysis: Json) -> str:
    """The analysis' own answer, or, where it gives none, the one that its intervals give."""
    given = (analysis.get("verdict") or {}).get("answer")
    if given in (CONFLICT, CALM, UNSURE):
        return str(given)
    if below_zero(analysis):
        return CONFLICT
    lows = [value_of(e, "lo") for _, e in _inner(analysis)]
    return CALM if all(lo is not None and lo > 0 for lo in lows) else UNSURE


def _conflict(analysis: Json) -> tuple[str, list[str]]:
    start, sure = k_dagger(analysis), below_zero(analysis)
    found = (analysis.get("verdict") or {}).get("k")
    ks = sure or ([int(found)] if found else [])
    if start.value is None:
        title = f"Conflict at k = {_ks(ks)}." if ks else "Conflict."
    else:
        end = _end_of_conflict(analysis, start.value)
        reach = f"from k = {start.text} on" if end is None else f"from k = {start.text} to k = {end:,}"
        title = f"Conflict {reach}" + (f" (95 % interval {start.interval})." if start.hi or start.lo else ".")
    k = ks[-1] if ks else headline_k(analysis)
    if headline_k(analysis) in ks:
        k = headline_k(analysis)
    details = [
        f"A small step that raises pass@{k} of these prompts lowers their pass@1. {_cosine_at(analysis, k)}"
    ]
    if sure:
        details.append(f"The interval of the inner product lies wholly below 0 at k = {_ks(sure)}.")
    return title, details


def _end_of_conflict(analysis: Json, start: float) -> int | None:
    """The last k of the first run of negative inner products, None if it lasts to the largest k."""
    part = "curve" if analysis.get("curve") else "conflict"
    last = None
    for k, estimate in _inner(analysis, part):
        value = value_of(estimate)
        if k < start or value is None:
            continue
        if value >= 0:
            return last
        last = k
    return None


def _calm(analysis: Json) -> tuple[str, list[str]]:
    largest = largest_k(analysis)
    reach = [(k, value_of(e, "lo")) for k, e in _inner(analysis)]
    crossing = [k for k, lo in reach if lo is not None and lo <= 0]
    details = [
        f"A small step that raises pass@k of these prompts raises their pass@1 too, up to k = {largest:,}."
    ]
    if crossing:
        details.append(f"The interval of the inner product still reaches 0 at k = {_ks(crossing)}.")
    elif all(lo is not None for _, lo in reach):
        details.append("The interval of the inner product lies above 0 at every k reported.")
    return f"No conflict up to k = {largest:,}.", [*details, _cosine_at(analysis, headline_k(analysis))]


def _not_measured(analysis: Json, reason: str) -> tuple[str, list[str]]:
    """What counts alone say."""
    return "Conflict was not measured.", [f"{reason[:1].upper()}{reason[1:]}.", *_hard_share(analysis)]


def _hard_share(analysis: Json) -> list[str]:
    """The share at the largest k where other responses tell which prompts are hard, else at the headline."""
    shares = analysis.get("hard_share") or {}
    told_apart = [
        k for k, told in zip(shares.get("k", ()), shares.get("cross_fitted", ()), strict=True) if told
    ]
    k = max(told_apart, default=headline_k(analysis))
    share = show(at_k(analysis, "share", k, "hard_share"))
    if share.value is None:
        return []
    interval = ""
    if share.lo is not None and share.hi is not None:
        interval = f" (95 % interval {100 * share.lo:.0f} to {100 * share.hi:.0f} %)"
    told = (
        ""
        if at_k(analysis, "cross_fitted", k, "hard_share")
        else ", told from the same responses: overstated"
    )
    return [
        f"Prompts with p below {shares['hard']:g} take {100 * share.value:.0f} %{interval} of the weight "
        f"that pass@{k:,} puts on all{told}."
    ]


def _unsure(analysis: Json) -> tuple[str, list[str]]:
    if reason := analysis["conflict"].get("reason"):
        return _not_measured(analysis, reason)
    straddling = [
        (k, lo, hi)
        for k, e in zip(analysis["conflict"]["k"], analysis["conflict"]["cosine"], strict=True)
        if (lo := value_of(e, "lo")) is not None and (hi := value_of(e, "hi")) is not None and lo <= 0 <= hi
    ]
    if not straddling:
        unknown = [k for k, e in _inner(analysis) if value_of(e) is None or value_of(e, "lo") is None]
        why = f"There is no interval at k = {_ks(unknown)}. " if unknown else ""
        return "Cannot tell whether there is conflict.", [f"{why}More responses per prompt would help."]
    k, lo, hi = next((s for s in straddling if s[0] == headline_k(analysis)), straddling[-1])
    p = at_k(analysis, "p_value_negative", k)
    odds = f" (one-sided p-value {p_value(p)})" if p is not None else ""
    error = value_of(at_k(analysis, "cosine", k), "se") or (hi - lo) / 4
    return f"Cannot tell: at k = {k:,} both signs are possible.", [
        f"The 95 % interval of the cosine at k = {k:,} reaches from {between(lo, hi, error, True)}{odds}; "
        f"more responses per prompt would help."
    ]


def _cosine_at(analysis: Json, k: int) -> str:
    part = "conflict" if k in analysis["conflict"]["k"] else "curve"
    cosine = show(at_k(analysis, "cosine", k, part), signed=True)
    if cosine.value is None:
        return f"The cosine of the two gradients at k = {k:,} is not known ({cosine.reason})."
    p = at_k(analysis, "p_value_negative", k)
    odds = f"; one-sided p-value of “no conflict”: {p_value(p)}" if p is not None else ""
    spread = cosine.interval if cosine.lo is None else f"95 % interval {cosine.interval}"
    return f"The cosine of ∇J_k and ∇J_1 at k = {k:,} is {cosine.text} ({spread}{odds})."


def _population(analysis: Json, these: str) -> str:
    """A sentence about prompts drawn like these, or ""; `these` is the answer about these themselves."""
    inner = _inner(analysis, "conflict_population")
    if not inner:
        return ""
    who = "For the distribution these prompts were drawn from"
    if sure := below_zero(analysis, "conflict_population"):
        too = " too" if these == CONFLICT else ""
        return f"{who}, there is conflict{too}: the interval lies below 0 at k = {_ks(sure)}."
    lows = [value_of(e, "lo") for _, e in inner]
    if all(lo is not None and lo > 0 for lo in lows):
        none = "there is none either" if these == CALM else "there is no conflict"
        return f"{who}, {none}: the interval lies above 0 at every k reported."
    k = headline_k(analysis)
    cosine = show(at_k(analysis, "cosine", k, "conflict_population"), signed=True)
    if cosine.lo is None:
        return f"{who}, nothing can be told from {count(analysis['prompts'], 'prompt')}."
    return (
        f"{who}, nothing can be told: at k = {k:,} the cosine's interval is {cosine.interval}; "
        f"more prompts would help."
    )


def _ks(ks: list[int]) -> str:
    """k as a list, long runs as first and last."""
    if len(ks) > 5:
        return f"{ks[0]:,} to {ks[-1]:,} ({len(ks)} of them)"
    return listed([f"{k:,}" for k in ks])
