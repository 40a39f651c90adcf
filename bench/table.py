"""The table of docs/performance.md, from bench/results.

python bench/table.py            prints it
python bench/table.py --write    puts it into the page
"""

import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "performance.md"
START, END = "<!-- bench/table.py -->\n", "<!-- end -->"


def _rows(name):
    path = HERE / "results" / f"{name}.json"
    return json.loads(path.read_text())["rows"] if path.exists() else {}


def _spread(ratio):
    spread = f"{ratio['smallest']:.2f} to {ratio['largest']:.2f}"
    if ratio["smallest"] == ratio["largest"]:
        spread = "one run"
    return f"{ratio['median']:.2f}", spread + (", an earlier run" if "earlier" in ratio else "")


def _of_scoring(short, long, plain):
    """Scoring beside a trainer's pass."""
    if short:
        yield (
            "score stage, short answers (4 prompts, n = 64)",
            plain,
            *_spread(short["score stage"]),
            "≤ 0.15",
        )
        yield "of that the sketch", plain, *_spread(short["sketch"]), "≤ 0.15"
    if not long:
        return
    yield "sketch, long answers (128 + 256 tokens, n = 8)", plain, *_spread(long["sketch"]), "≤ 0.9"
    for name in ("dots: along 1 by hooks", "dots: along 1, forward, shared"):
        if name in long:
            total = long["dots: direction"]["median"] + long[name]["median"]
            runs = "one run" if long[name]["rounds"] == 1 else ""
            yield f"direction and {name}, long answers", plain, f"{total:.2f}", runs, "≤ 1.8"
    runs = "one run" if long["sketch"]["rounds"] == 1 else ""
    more = long["dots: along 4 by hooks"]["median"] / long["dots: along 1 by hooks"]["median"]
    yield "dots along 4 directions, long answers", "along 1", f"{more:.2f}", runs, "≤ 2.1"


def lines():
    """What was measured, against what, the ratio, its spread, and what was wanted of it."""
    plain = "one forward + backward of the same rows"
    peers, drawn = _rows("peers"), _rows("sample")
    yield from _of_scoring(_rows("score_short"), _rows("score_long"), plain)
    for name, ratio in peers.items():
        wanted = "≥ 20" if "backward" in name else "≥ 8" if name.startswith("short") else "≥ 1"
        yield name, "the sketch", *_spread(ratio), wanted
    yield from _of_methods(_rows("methods"), plain)
    if drawn:
        yield (
            "tokens a CPU second, short answers",
            "`generate`",
            *_spread({**drawn, "median": drawn["ratio"]}),
            "≥ 3",
        )
    if peak := _rows("score_memory"):
        memory = f"{peak['peak_memory_gib']:.2f} GiB"
        yield "peak memory, 16 × 128 tokens at once", "model included", memory, "", "≤ 4.5 GiB"
    yield from _of_analysis(_rows("analyse"))
    if profile := _rows("profile"):
        yield "`acute profile`, every estimator, n = 16", "starting Python with numpy", *_spread(profile), ""
    for name, run in _rows("plan").items():
        for stage, units in run["stages"].items():
            ratio = units["cpu_seconds"]["ratio"]
            if units["cpu_seconds"]["measured"] >= 1:  # less is mostly start-up
                yield f"`acute plan`: {name}, {stage}", "what it took", f"{ratio:.2f}", "", "0.67 to 1.5"


def _of_methods(rows, plain):
    """Ways to the responses' gradients with their errors, then what the sketch's cost depends on."""
    settings = {"untied": "random Llama, untied", "tied": "random Llama, tied", "SmolLM2": "SmolLM2"}
    for key, setting in settings.items():
        for name, row in rows.get(key, {}).items():
            if "failed" in row:
                yield f"{setting}; {name}: {row['failed'].replace('|', '/')}", plain, "none", "", ""
            else:
                error = f": error {row['error']:.1e}" if row.get("error") else ""
                yield f"{setting}; {name}{error}", plain, *_spread(row), ""
    for case, row in rows.get("cost", {}).items():
        yield f"sketch of each fold and outcome; {case}", plain, *_spread(row), ""


def _of_analysis(rows):
    """Counting 10^6 responses beside the peers, and the whole stage at several sizes."""
    if counts := rows.get("counts"):
        yield "10^6 responses: pass@k, bands, k ≤ 16", "CPU seconds", *_spread(counts["seconds"]), "≤ 10"
        yield "… peak memory", "GiB", f"{counts['GiB']:.2f}", "", "≤ 2"
    for name, same, wanted in (
        ("passk-inference", "distribution, band", "≥ 10"),
        ("scorio", "these prompts, intervals", ""),
    ):
        if counts and name in counts:
            yield f"pass@k of 10^6 ({same}), {name}", "acute", *_spread(counts[name]), wanted
    for size, row in rows.items():
        if "sketches_GiB" in row:
            what = f"`acute analyse`, prompts × sketch: {size}, {row['GiB']:.2f} GiB"
            yield what, "CPU seconds", *_spread(row["seconds"]), ""


def table():
    """The table as Markdown."""
    found = [" | ".join(row) for row in lines()]
    head = ["| what | in units of | median | smallest to largest | wanted |", "|---|---|--:|---|---|"]
    return "\n".join([*head, *(f"| {row} |" for row in found)]) + "\n"


def main():
    text = PAGE.read_text()
    start, end = text.index(START) + len(START), text.index(END)
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(text[:start] + table() + text[end:])
    else:
        print(table())


if __name__ == "__main__":
    main()
