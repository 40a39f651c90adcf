"""Stages `analyse` and `report`."""

from pathlib import Path
from typing import Any

from acute import __version__
from acute.run import Run


def analyse(run: Run) -> dict[str, Any]:
    """Stage `analyse`: analysis.json."""
    from acute.gradients.store import read_sketches
    from acute.measure.analyse import analyse as measure

    config = run.config
    with run.stage("analyse"):
        sums, facts = read_sketches(run.path)
        found = {
            "acute": __version__,
            "engine": facts["engine"],
            "parameters": facts["parameters"],
            **measure(
                run.prompts(),
                run.responses(),
                sums,
                facts["prompt_ids"],
                config.analyse.k,
                config.analyse.easy,
                config.analyse.hard,
                config.seed,
            ),
        }
        run.write_analysis(found)
        run.remember("left_out", found["excluded"])
    return found


def report(run: Run) -> Path:
    """Stage `report`: report.html."""
    from acute.report.page import write_page

    with run.stage("report"):
        return write_page(run.path)
