"""examples/paper: the filter, the paper's way in numbers, and what selection on the same rollouts does."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from acute.cli.main import app
from tests.worlds import world

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "examples" / "paper"))

import paper  # noqa: E402


def rolled(w, n=128, folds=4, seed=0):
    counts_n, counts_c, sums = w.roll(n, folds, np.random.default_rng(seed))
    return paper.Rollouts([f"p{i}" for i in range(len(counts_n))], counts_n, counts_c, sums)


@pytest.mark.parametrize(
    ("switches", "wanted"),
    [
        ({}, [1, 2, 6]),
        ({"never": True}, [0, 1, 2, 6]),
        ({"always": True}, [1, 2, 6, 7]),
    ],
)
def test_the_filter_drops_the_middle_and_what_it_is_told_to(switches, wanted):
    c = np.array([0, 1, 3, 4, 16, 27, 28, 32.0])  # of 32: 3/32 < .1 < 4/32, 27/32 < .85 < 28/32
    assert paper.kept(np.full(8, 32.0), c, 0.85, 0.10, **switches).tolist() == wanted


def test_the_papers_weights_are_the_printed_ones():
    """Weights of about 12, 4 and 1 stand in the paper's Fig. 6 for one, two and three successes of 32."""
    n, c = np.full((3, 1), 32.0), np.array([[1.0], [2.0], [3.0]])
    data = paper.Rollouts(["a", "b", "c"], n, c, np.ones((3, 1, 2, 4)))
    found = paper.papers_way(data, np.arange(3), 0)
    np.testing.assert_allclose(found.weight_N, [11.96, 4.33, 1.51], atol=0.006)


def test_the_papers_way_response_by_response():
    data = rolled(world(N=5))
    found = paper.papers_way(data, np.array([0, 2, 3]), 1)
    gradients = [data.sums_NMOD[x, 1, 1] / 32 for x in (0, 2, 3)]
    direction = sum(gradients) / 3
    np.testing.assert_allclose(found.agreement_N, [g @ direction for g in gradients])
    p = [data.c_NM[x, 1] / 32 for x in (0, 2, 3)]
    wanted = np.mean([32 * (1 - q) ** 31 * (g @ direction) for q, g in zip(p, gradients, strict=True)])
    assert found.weighted == pytest.approx(wanted)
    assert found.agreement_N.mean() == pytest.approx(direction @ direction)  # an identity, not a finding


def test_the_unbiased_way_has_no_part_of_the_fold_that_selects():
    data = rolled(world(N=6))
    other = data._replace(sums_NMOD=data.sums_NMOD.copy(), c_NM=data.c_NM.copy())
    other.sums_NMOD[:, 0] += 100
    other.c_NM[:, 0] = 16
    a, b = (paper.unbiased(d, np.arange(6), [1, 2, 3], 8) for d in (data, other))
    assert a.weighted == b.weighted and a.interval == b.interval
    assert a.product_N.mean() == pytest.approx(a.weighted)
    np.testing.assert_array_equal(a.agreement_N, b.agreement_N)


def test_fresh_rollouts_are_unbiased_where_the_papers_way_is_not():
    """Mean over 300 runs of all prompts at k = 8 beside the exact value."""
    w = world(N=8, sharing=0.7, seed=1)
    old, new = [], []
    for seed in range(300):
        data = rolled(w, n=32, seed=seed)
        old.append(paper.papers_way(data, np.arange(8), 0).weighted)  # at k = n = 8
        new.append(paper.unbiased(data, np.arange(8), [1, 2, 3], 8).weighted)
    error = lambda found: (np.mean(found) - w.inner(8)) / (np.std(found) / 300**0.5)  # noqa: E731
    assert abs(error(new)) < 4
    assert abs(error(old)) > 8


@pytest.mark.model
def test_the_command_on_a_run(tiny_model, tmp_path):
    from tests.tiny import write_run

    config = write_run(tmp_path / "run", tiny_model, n=128, count=24)
    text = config.read_text().replace("folds = 2", "folds = 4")
    config.write_text(text)
    done = CliRunner().invoke(app, ["run", str(config), "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    script = str(ROOT / "examples" / "paper" / "paper.py")
    command = [sys.executable, script, str(tmp_path / "out"), str(tmp_path / "f")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "paper's way" in done.stdout
    assert (tmp_path / "f" / "paper.html").stat().st_size > 10**6


def test_the_math_rule(tmp_path):
    rows = [
        {"problem": "easy", "answer": "12", "level": 1, "subject": "Algebra"},
        {"problem": "hard", "answer": "12", "level": 4, "subject": "Algebra"},
        {"problem": "no number", "answer": "\\frac12", "level": 1, "subject": "Algebra"},
        {"problem": "x" * 301, "answer": "3", "level": 1, "subject": "Algebra"},
        {"question": "gsm", "answer": "So 3 + 4.\n#### 7"},
        {"question": "one too many", "answer": "#### 8"},
    ]
    path, out = tmp_path / "m_test.jsonl", tmp_path / "prompts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = [sys.executable, str(ROOT / "examples" / "paper" / "prompts.py"), str(out)]
    options = ["--arithmetic", "0", "--math", str(path), "--each", "2"]
    subprocess.run([*command, *options], check=True, capture_output=True)
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(r["prompt"], r["answer"], r["family"]) for r in found] == [
        ("easy", "12", "Algebra"),
        ("gsm", "7", "m"),
    ]
    assert all(r["prefill"] for r in found)
