"""The page of several runs: its axis carries the k that were measured, and nothing covers the legend."""

import json
import re

from acute.report import compare


def test_the_axis_shows_the_k_that_the_runs_have(tmp_path, monkeypatch):
    monkeypatch.setattr(compare, "compared", lambda _: {"k": [1, 2, 4, 32], "runs": []})
    page = compare.write_compare_page(tmp_path / "page.html", {}).read_text(encoding="utf-8")
    axis = json.loads(re.findall(r", axis = (\{.*\});", page)[-1])
    assert axis["tickvals"] == [1, 2, 4, 32]
    assert "displayModeBar: false" in page
