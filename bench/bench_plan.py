"""What `acute plan` says a run will take on this machine, beside what it then takes.

    python bench/bench_plan.py [CONFIG.toml …]

Without arguments the quickstart without its control and the configurations in `bench/plans`. Both are whole
processes, one after the other. Seconds by the clock are those of a machine that others may use too, more in
one half than in the other, so the load is written beside them; CPU seconds are the fairer comparison.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from acute.cli.stages import QUICKSTART
from ratios import RESULTS, record

WANTED = 1.5
PLANS = Path(__file__).parent / "plans"


def acute(*arguments, cache):
    """What a command prints; verdicts that it keeps, another must not find."""
    done = subprocess.run(
        [sys.executable, "-m", "acute", *map(str, arguments), "--json"],
        stdout=subprocess.PIPE,
        check=True,
        env=os.environ | {"ACUTE_CACHE": str(cache)},
    )
    return json.loads(done.stdout)


def without_control(path, scratch):
    """The configuration without its control, which is a run of its own."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("control")]
    copy = scratch / path.name
    copy.write_text("\n".join(lines))
    for beside in path.parent.glob("*.jsonl"):
        (scratch / beside.name).write_bytes(beside.read_bytes())
    return copy


def compared(planned, measured):
    """Each stage: planned and measured seconds, and their ratios."""
    for stage in planned["stages"]:
        found = measured[stage["name"]]
        yield (
            stage["name"],
            {
                unit: {
                    "planned": round(stage[unit], 2),
                    "measured": found[unit],
                    "ratio": round(stage[unit] / found[unit], 2) if found[unit] else None,
                }
                for unit in ("cpu_seconds", "seconds")
            },
        )


def main():
    rows = {}
    for path in [Path(name) for name in sys.argv[1:]] or [QUICKSTART, *sorted(PLANS.glob("*.toml"))]:
        with tempfile.TemporaryDirectory() as folder:
            scratch = Path(folder)
            config = without_control(path, scratch)
            load = [os.getloadavg()[0]]
            planned = acute("plan", config, cache=scratch / "planned")
            load.append(os.getloadavg()[0])
            acute("run", config, "--out", scratch / "run", cache=scratch / "ran")
            load.append(os.getloadavg()[0])
            measured = json.loads((scratch / "run" / "run.json").read_text())["stages"]
        name = "quickstart" if path == QUICKSTART else path.stem
        rows[name] = {
            "stages": dict(compared(planned, measured)),
            "load_before_between_after": [round(x, 1) for x in load],
            "assumed": planned["assumed"],
        }
        for stage, units in rows[name]["stages"].items():
            cpu = units["cpu_seconds"]
            print(f"{name} {stage}: planned {cpu['planned']} CPU s, took {cpu['measured']}: {cpu['ratio']}")
    record("plan", rows)
    print(f"wanted: ratios within {WANTED} either way; written to {RESULTS / 'plan.json'}")


if __name__ == "__main__":
    main()
