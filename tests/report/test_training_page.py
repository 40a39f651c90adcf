"""The page of a training: every curve, gaps where nothing is known, hostile names harmless."""

import json

import pytest

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
    assert page.count("</script>") == 2 and "https://" not in page.split("<script>")[0]


def test_a_training_without_steps(tmp_path):
    with pytest.raises(InputError, match="no step yet"):
        write_training_page(folder_of(tmp_path, []))
