"""The page of a training: every curve, gaps where nothing is known, hostile names harmless."""

import json

import pytest
import report_html

from acute.errors import InputError
from acute.report.training import figures, is_training, write_training_page

ESTIMATE = {"value": -0.2, "se": 0.1, "lo": -0.4, "hi": 0.0}
ROWS = [
    {
        "step": 0,
        "pass@1": 0.25,
        "pass@8": None,
        "pass@1/</script>": 0.5,
        "k": 8,
        "lambda": 0.3,
        "cosine_k": ESTIMATE,
        "agreement": {"sum": -0.5},
    },
    {"step": 1, "pass@1": 0.5, "pass@8": 0.75, "pass@1/</script>": 0.5, "k": 4, "lambda": None},
]
TRAIN = {"objective": "pass@8", "mitigation": "<b>", "optimizer": "sgd", "learning_rate": 0.1}


def folder_of(path, rows, exact=()):
    (path / "train.json").write_text(json.dumps({"config": {"train": TRAIN}}))
    for name, some in (("acute.jsonl", rows), ("evaluation.jsonl", exact)):
        (path / name).write_text("".join(json.dumps(row) + "\n" for row in some) + '{"step": 9, "cut o')
    return path


def test_every_curve_is_there():
    of = dict(figures(ROWS, [{"step": 0, "pass@1": 0.3}]))
    success = {curve["name"]: curve for curve in of["Success"]}
    assert success["pass@8, rollouts"]["y"] == [None, 0.75] and success["pass@1, exact"]["y"] == [0.3]
    ends = {"pass@1": {"lo": 0.2, "hi": 0.5}, "pass@8": None}
    sampled = [{"step": 0, "pass@1": 0.3, "pass@8": None, "intervals": ends}]
    bars = {c["name"]: c for c in dict(figures(ROWS, sampled))["Success"]}["pass@1, sampled, 95 %"]["error_y"]
    assert (bars["array"], bars["arrayminus"]) == (pytest.approx([0.2]), pytest.approx([0.1]))
    (cosine,) = of["Cosine of the objective's gradient and pass@1's"]
    assert cosine["y"] == [-0.2] and cosine["error_y"]["array"] == [0.2] and cosine["x"] == [0]
    assert [curve["y"] for curve in of["k of the objective"]] == [[8, 4]]
    assert [c["y"] for title, curves in of.items() if title.startswith("Agree") for c in curves] == [[-0.5]]


def test_the_page(tmp_path):
    page = write_training_page(folder_of(tmp_path, ROWS)).read_text()
    assert is_training(tmp_path) and "2 steps on pass@8, mitigation &lt;b&gt;" in page
    assert page.count("</script>") == 3 and "https://" not in page.split("<script>")[0]


def test_the_page_of_a_trainer_in_a_script(tmp_path):
    """It leaves the log and no record of its settings."""
    assert not is_training(tmp_path)
    (folder_of(tmp_path, [{**ROWS[0], "k_dagger": 4}, ROWS[1]]) / "train.json").unlink()
    assert is_training(tmp_path)
    page = write_training_page(tmp_path).read_text()
    assert "2 steps. Rollouts are" in page and "k†" in page


def test_hostile_families_and_numbers_stay_text(tmp_path):
    families = ["</script><b>x</b>", "\u202e\ud800\x1b[31m", "A" * 1_000_000]
    rows = [{"step": 0, "pass@1": 0.5, **{f"pass@1/{f}": 0.5 for f in families}}]
    folder = tmp_path / "a\u202eb"
    folder.mkdir()
    text = write_training_page(folder_of(folder, rows)).read_text()
    page = report_html.parse(text)
    assert len(page.all("script")) == 3 and not [e for e in page.all("b") if e.text == "x"]
    assert "Training a⟦U+202E⟧b" in page.all("h1")[0].text
    names = [t["name"] for t in page.figures()["success-by-family"]["data"]]
    assert "pass@1/&lt;/script&gt;&lt;b&gt;x&lt;/b&gt;" in names
    assert "pass@1/⟦U+202E⟧⟦U+D800⟧⟦U+001B⟧[31m" in names and max(map(len, names)) < 100
    assert len(text) < len(write_training_page(folder_of(tmp_path, ROWS)).read_text()) + 10_000


def test_a_long_training_is_told_at_some_steps(tmp_path):
    rows = [{"step": s, "pass@1": s / 1000} for s in range(1000)]
    page = report_html.parse(write_training_page(folder_of(tmp_path, rows)).read_text())
    (table,) = page.all("table", **{"class": "small"})
    assert table.text.strip().startswith("steppass@1, rollouts")
    assert "200 of 1,000 rows, spread evenly." in page.by_id("figures").text


def test_a_training_without_steps(tmp_path):
    with pytest.raises(InputError, match="no step yet"):
        write_training_page(folder_of(tmp_path, []))
