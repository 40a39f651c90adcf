"""Numbers in README and docs that follow from results which are kept, or from the code, are those.

Others are tested beside what makes them: results.md in tests/train/test_tradeoff.py, performance.md,
scaling.md and theory.md in tests/test_docs_*.py, whole blocks in test_blocks.py.
"""

import json
import runpy
from types import SimpleNamespace

from bench.coverage import show

from acute.core.advantages.registry import ESTIMATORS
from acute.train.mitigate import MITIGATIONS
from tests.docs.pages import ROOT
from tests.faults.campaign import table
from tests.verify.test_code_attacks import ATTACKS

RESULTS = ROOT / "bench" / "results"


def page(name):
    return (ROOT / "docs" / f"{name}.md").read_text().splitlines()


def missing(lines, name):
    """The lines that do not stand on a page."""
    there = set(page(name))
    return [line for line in lines if line.strip() and line not in there]


def test_coverage_is_of_the_results():
    found, _ = show.read(RESULTS / "coverage")
    parts = (show.coverage_table, show.outside_table, show.too_often_table, show.bias_lines)
    lines = "\n".join(line for part in parts for line in part(found)).splitlines()
    assert len(lines) > 100 and missing(lines, "coverage") == []


def test_faults_are_of_the_results():
    found = json.loads((RESULTS / "faults.json").read_text())
    assert (
        missing(table([SimpleNamespace(**each) for each in found["outcomes"]]).splitlines(), "faults") == []
    )


def test_ranks_are_of_the_results():
    jobs = json.loads((RESULTS / "ranks.json").read_text())["rows"]["jobs"]
    rows = []
    for name, job in jobs.items():
        ranks, _, split = name.partition("/")
        difference = f"{job['difference']:.0e}".replace("e-0", "e-") if job["difference"] else "0"
        rows.append(f"| {ranks} | {split or 1} | {job['cpu']:.2f} | {difference} |")
    assert missing([row for row in rows if not row.startswith("| 1 |")], "ranks") == []


def test_verifiers_that_err_are_as_computed(capsys):
    runpy.run_path(str(ROOT / "docs" / "figures" / "imperfect.py"), run_name="__main__")
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert len(rows) > 15 and missing(rows, "statistics") == []


def test_what_is_counted():
    readme = (ROOT / "README.md").read_text()
    assert f"{len(ESTIMATORS)} built in" in readme and f"for {len(ESTIMATORS)} estimators" in readme
    assert len(MITIGATIONS) - 1 == 10 and "ten prompt weights" in readme  # one is "none"
    assert f"list {len(ATTACKS)} attacks" in "\n".join(page("sandbox"))
