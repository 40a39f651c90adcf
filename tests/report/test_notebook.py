"""What a run shows in a notebook, and its table of prompts for pandas and polars."""

import json

import numpy as np
import pandas as pd
import polars as pl
import pytest
import report_html
import report_worlds as worlds

import acute
from acute.core.advantages.registry import ESTIMATORS
from acute.core.objectives import pass_at_k
from acute.core.profiler import profile, profile_real
from acute.errors import InputError
from acute.run import Analysis, Run

CONFIG = {
    "model": {"name": "bundled:smollm2"},
    "prompts": {"source": "arithmetic", "families": ["one-digit sum"], "per_family": 3},
}


@pytest.fixture
def run(tmp_path):
    """A run whose tables and analysis are those of a world."""
    made = Run.create(tmp_path / "run<b>", acute.parse(CONFIG))
    world = worlds.hostile(worlds.world())
    analysis = worlds.with_nulls(worlds.analysis_of(world))
    record = (made.path / "run.json").read_text()
    worlds.write_run(made.path, world, analysis)
    (made.path / "run.json").write_text(record)
    made.record["stages"] = {"prompts": {}, "analyse": {}}
    return made


def test_a_run_shows_where_it_is_and_what_it_found(run):
    page = report_html.parse(run._repr_html_())
    text = "".join(e.text for e in page.elements if e.tag in ("p", "table"))
    assert "run<b>" in text and "done: prompts, analyse; next: rollout" in text
    assert "Cannot tell" in text and "18 prompts, 4,608 responses" in text
    assert len(page.all("table")) == 2 and not page.all("script") + page.all("b", **{"class": "x"})
    assert "<b>sums</b></script>" in text and "too few responses for this k" in text
    assert repr(run).endswith("done: prompts, analyse)")


def test_a_run_without_an_analysis_says_what_is_next(tmp_path):
    fresh = Run.create(tmp_path / "new", acute.parse(CONFIG))
    assert "done: nothing; next: prompts" in fresh._repr_html_() and "<table" not in fresh._repr_html_()
    with pytest.raises(InputError, match="run acute analyse"):
        fresh.prompt_table()


def test_an_analysis_is_a_dictionary_that_shows_itself(run):
    analysis = run.analysis()
    assert isinstance(analysis, Analysis) and json.loads(json.dumps(analysis)) == analysis
    assert analysis._repr_html_() in run._repr_html_()


def test_a_profile_shows_its_verdict_and_its_weights():
    rloo = ESTIMATORS["rloo"].advantage
    page = report_html.parse(profile(rloo, pass_at_k(1), 8, 1, name="<b>mine</b>")._repr_html_())
    assert page.all("p")[0].text.startswith("<b>mine</b>, groups of 8, k = 1: unbiased for pass@1; acts most")
    assert "0.0211" in page.all("table")[0].text  # p, W(p) and f'(p) at p = 0.02
    said = profile(ESTIMATORS["grpo"].advantage, pass_at_k(4), 8, 4)._repr_html_()
    assert "biased for pass@4: by up to " in said
    said = profile_real(ESTIMATORS["pkpo-loo-1"].advantage, np.array([0.0, 0.5, 1.0]), 6, 2)._repr_html_()
    assert "against max@k of rewards 0, 0.5, 1" in said and '<th scope="col">left over</th>' in said


def test_the_table_of_prompts_joins_by_id(run):
    analysis = run.analysis()
    analysis["per_prompt"].reverse()
    run.write_analysis(analysis)
    table = run.prompt_table()
    rows = {row["prompt_id"]: row for row in table.to_pylist()}
    for told in analysis["per_prompt"]:
        row = rows[told["prompt_id"]]
        assert (row["responses"], row["successes"]) == (told["responses"], told["successes"])
        for name in ("p", "agreement", "share"):
            estimate = told[name] or {}
            found = [row[name + end] for end in ("", "_se", "_lo", "_hi")]
            assert found == [estimate.get(member) for member in ("value", "se", "lo", "hi")]
    assert table.column_names[:2] == ["prompt_id", "prompt"]
    assert rows[analysis["per_prompt"][0]["prompt_id"]]["agreement_shrunk"] is None


def test_a_prompt_without_estimates_keeps_its_row(run):
    analysis = run.analysis()
    lost = analysis["per_prompt"].pop(3)["prompt_id"]
    run.write_analysis(analysis)
    (row,) = (row for row in run.prompt_table().to_pylist() if row["prompt_id"] == lost)
    assert row["p"] is None and row["responses"] is None and row["prompt"]


def test_polars_and_pandas_read_it_without_copying(run):
    table = run.prompt_table()
    address = table["weight_se"].chunk(0).buffers()[1].address
    column = pl.from_arrow(table)["weight_se"].to_arrow()
    assert column.buffers()[1].address == address
    frame = table.to_pandas(types_mapper=pd.ArrowDtype)
    assert frame["weight_se"].array._pa_array.chunk(0).buffers()[1].address == address
