"""The page of several runs: its axis carries the k that were measured; its table and figures the numbers."""

import report_html
import report_worlds as worlds

from acute.report import compare


def page_of(tmp_path, runs):
    return report_html.parse(compare.write_compare_page(tmp_path / "page.html", runs).read_text("utf-8"))


def test_the_axis_shows_the_k_that_the_runs_have(tmp_path):
    analysis = worlds.analysis_of(worlds.world(), [1, 2, 4, 32])
    for figure in page_of(tmp_path, {"a": analysis, "b": analysis}).figures().values():
        assert figure["layout"]["xaxis"]["tickvals"] == [1, 2, 4, 32]


def test_every_run_is_told_in_a_table_and_drawn_apart(tmp_path):
    calm = worlds.analysis_of(worlds.world(conflict=False, seed=4))
    page = page_of(tmp_path, {"first": worlds.analysis_of(worlds.world()), "second": calm})
    told = page.all("table")[0].text
    assert "first" in told and "no conflict" in told and "−0.663 to −0.510" in told
    cosine = next(iter(page.figures().values()))
    assert [trace["name"] for trace in cosine["data"]] == ["first", "second"]
    for part in ("color", "symbol"):
        assert len({trace["marker"][part] for trace in cosine["data"]}) == 2
    assert len(page.all("details")) == len(page.figures()) == 3


def test_names_of_runs_stay_text(tmp_path):
    analysis = worlds.analysis_of(worlds.world())
    page = page_of(tmp_path, {"<script>alert(1)</script>\u202e\udcff\n\x1b[31m": analysis, "b": analysis})
    assert len(page.all("script")) == 3
    text = page.by_id("figures").text + page.all("table")[0].text
    assert "<script>alert(1)</script>⟦U+202E⟧⟦U+DCFF⟧" in text and "⟦U+001B⟧[31m" in text
    (name, _) = (t["name"] for t in next(iter(page.figures().values()))["data"])
    assert name.startswith("&lt;script&gt;") and "\u202e" not in name
