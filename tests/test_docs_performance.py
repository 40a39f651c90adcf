"""The table of docs/performance.md is what bench/results say."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_table_is_of_the_results():
    made = runpy.run_path(str(ROOT / "bench" / "table.py"))
    page = (ROOT / "docs" / "performance.md").read_text()
    assert made["table"]() in page, "python bench/table.py --write"
