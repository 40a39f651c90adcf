"""What the page says of a verifier that errs: the rates taken, the numbers behind them, and the sweep."""

from acute.report.numbers import Json, show, show_k


def if_it_errs(analysis: Json) -> Json | None:
    """The section's numbers; None where the analysis has none (an older one, or no prompt to ask)."""
    found = analysis.get("imperfect_verifier")
    if not found or not found["sweep"]["false_fail"]:
        return None
    sweep, corrected = found["sweep"], found["corrected"]
    largest = corrected["k"][-1]
    few = "not negative up to there"
    rows = [
        {
            "rate": rate,
            "k_dagger": "—" if dagger is None else f"{dagger:,}",
            "cosine": cosine,
            "answer": answer,
        }
        for rate, dagger, cosine, answer in zip(
            sweep["false_fail"],
            sweep["k_dagger"],
            (show(cosine, signed=True) for cosine in sweep["cosine"]),
            sweep["answer"],
            strict=True,
        )
    ]
    return {
        "estimated": found["source"] == "labels",
        "taken": any(found[name]["value"] for name in ("false_pass", "false_fail")),
        "rates": [(name.replace("_", " "), show(found[name])) for name in ("false_pass", "false_fail")],
        "k": largest,
        "k_dagger": show_k(corrected["k_dagger"], largest, few),
        "cosine": show(corrected["cosine"][-1], signed=True),
        "pass_at_k": show(corrected["pass_at_k"][-1]),
        "rows": rows,
        "changes_at": found["verdict_changes_at"]["false_fail"],
        "room": found["largest_possible"]["false_fail"],
    }
