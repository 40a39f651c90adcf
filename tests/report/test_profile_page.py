"""The page of a log's profile: one command from a dump, and whatever the log says stays text."""

import itertools
import json
import re

from tests.integrations.logs import acute, fails, written
from tests.report.report_html import Page

from acute.errors import NotEnoughData
from acute.report.numbers import show

HOSTILE = "</pre><script>alert(1)</script>\u202e<img src=x onerror=alert(1)>\x1b[31m"


def dump(folder, n=8):
    """What verl's trainer writes to trainer.rollout_data_dir, a file a step."""
    folder.mkdir()
    rows = [
        {
            "input": f"{x} + 0 = ?",
            "output": f"{HOSTILE} the answer is {x}" if j == n - 1 else f"it is {x if j < x else -1}",
            "gts": str(x),
            "score": float(j < x),
            "step": 7,
        }
        for x in range(n)
        for j in range(n)
    ]
    written(folder / "7.jsonl", rows)
    return folder


def read(path):
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def test_one_command_from_a_verl_dump_to_a_page(tmp_path):
    out = tmp_path / "run"
    said = acute("import", dump(tmp_path / "dump"), "--format", "verl", "--out", out, "--profile")
    assert said["page"] == str(out / "profile.html")
    page = read(out / "profile.html")
    found = acute("profile", out)
    cells = [e.text.strip() for e in page.elements if e.tag in ("td", "th")]
    for row in found["estimators"]:
        assert row["name"] in cells
    for k, estimate in found["pass_at_k"].items():
        assert k in cells and show(estimate).text in cells
    bars = {bar["from"]: bar["prompts"] for bar in found["p_histogram"] if bar["from"] == bar["to"]}
    shown = dict(itertools.pairwise(cells))
    assert shown["never right"] == str(bars[0.0]) == "1"
    assert said["notes"]["groups"] in [e.text for e in page.all("dd")]


def test_texts_stay_texts(tmp_path):
    out = tmp_path / "run"
    acute("import", dump(tmp_path / "dump"), "--format", "verl", "--out", out, "--profile")
    page = read(out / "profile.html")
    assert not page.all("script") and not page.all("img") and not page.all("link")
    (policy,) = page.all("meta", http_equiv="Content-Security-Policy")
    assert "default-src 'none'" in policy.attributes["content"]
    raw = (out / "profile.html").read_text(encoding="utf-8")
    assert "\u202e" not in raw and "\x1b" not in raw
    answers = [e.text for e in page.all("pre") if "<script>alert(1)</script>" in e.text]
    assert answers and all("⟦U+202E⟧" in text and "⟦U+001B⟧" in text for text in answers)


def test_a_suspected_fault_is_shown_with_its_texts(tmp_path):
    out = tmp_path / "run"
    acute("import", dump(tmp_path / "dump"), "--format", "verl", "--out", out, "--profile")
    (kind,) = [f["kind"] for f in acute("profile", out)["suspected_faults"]]
    page = read(out / "profile.html")
    assert any(e.text.startswith(kind) for e in page.all("h3"))
    wanted = [e.text for e in page.all("pre")]
    assert "1 + 0 = ?" in wanted and "1" in wanted


def test_the_page_of_a_folder_has_the_estimators_asked_for(tmp_path):
    out, target = tmp_path / "run", tmp_path / "p.html"
    acute("import", dump(tmp_path / "dump"), "--format", "verl", "--out", out)
    assert not (out / "profile.html").exists()
    acute("profile", out, "rloo", "-n", "4", "-k", "2", "--plot", target)
    text = target.read_text(encoding="utf-8")
    assert "rloo" in text and "grpo" not in text
    assert "n = 4, k = 2" in text


def test_a_log_with_too_little_says_so_and_keeps_the_folder(tmp_path):
    log = written(tmp_path / "log.jsonl", [{"id": "a", "n": 3, "c": 1}])
    assert isinstance(fails("profile", tmp_path), Exception)
    acute("import", log, "--format", "counts", "--out", tmp_path / "run", "--profile")
    error = fails("profile", tmp_path / "run", "rloo", "-n", "9", "--plot", tmp_path / "no.html")
    assert isinstance(error, NotEnoughData) and not (tmp_path / "no.html").exists()


def test_unknown_is_a_dash_with_its_reason(tmp_path):
    log = written(tmp_path / "log.jsonl", [{"id": "a", "n": 2, "c": 0}, {"id": "b", "n": 2, "c": 0}])
    acute("import", log, "--format", "counts", "--out", tmp_path / "run", "--profile")
    text = (tmp_path / "run" / "profile.html").read_text(encoding="utf-8")
    assert "not known: the log does not say how responses ended" in text
    assert not re.search(r"\b(?:nan|None|inf)\b", text)
    assert json.dumps(acute("profile", tmp_path / "run"))


def test_tables_can_be_read_aloud(tmp_path):
    acute("import", dump(tmp_path / "dump"), "--format", "verl", "--out", tmp_path / "run", "--profile")
    page = read(tmp_path / "run" / "profile.html")
    assert all(e.attributes.get("scope") in ("col", "row") for e in page.all("th"))
    assert len(page.all("h1")) == 1 and page.all("html")[0].attributes["lang"] == "en"
    headings = [e.text for e in page.all("h2")]
    assert headings[:2] == ["Difficulty", "pass@k"] and len(headings) == 5
