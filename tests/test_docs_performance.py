"""The table of docs/performance.md is what bench/results say."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parent.parent
MEASURED = {"median": 2.0, "smallest": 1.0, "largest": 3.0}


def test_rows_of_peers_that_are_not_installed_stay_and_say_so(capsys):
    """A peer that fails has a new row; one that never was measured gets none."""
    kept = runpy.run_path(str(ROOT / "bench" / "ratios.py"))["kept"]
    absent = {"failed": "no module", "installed": False}
    broken = {"failed": "it raised", "installed": True}
    before = {"own": MEASURED, "gone": MEASURED, "absent": MEASURED, "broken": MEASURED, "never": absent}
    now = {"own": {"median": 9.0}, "absent": absent, "broken": broken, "never": absent}
    marked = {"earlier": {"torch": "2.0"}, **MEASURED}
    peers = ("gone", "absent", "broken", "never")
    rows = kept(now, before, {"torch": "2.0"}, peers)
    assert rows == {**now, "gone": marked, "absent": marked}
    assert kept(now, rows, {"torch": "3.0"}, peers)["gone"] == marked
    assert capsys.readouterr().out.count("not measured now") == 4


def test_the_table_marks_what_was_measured_in_an_earlier_run():
    spread = runpy.run_path(str(ROOT / "bench" / "table.py"))["_spread"]
    assert spread(MEASURED) == ("2.00", "1.00 to 3.00")
    assert spread({"earlier": {}, **MEASURED}) == ("2.00", "1.00 to 3.00, an earlier run")


def test_the_table_is_of_the_results():
    made = runpy.run_path(str(ROOT / "bench" / "table.py"))
    page = (ROOT / "docs" / "performance.md").read_text()
    assert made["table"]() in page, "python bench/table.py --write"
