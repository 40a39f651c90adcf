"""The section on verifiers that err: there where the analysis has it, with its numbers, silent otherwise."""

import json

import numpy as np
import pytest
import report_html
import report_worlds as worlds
from tests.worlds import world

from acute.measure.conflict import Curve, Measured
from acute.measure.imperfect import from_labels, given, imperfect_verifier
from acute.report.page import write_page


def part(verifier):
    curve = Curve(
        Measured(*world(N=14, sharing=0.8, seed=2).roll(256, 4, np.random.default_rng(0)), np.inf), 8
    )
    turned = iter(["no conflict", "no conflict", "conflict", *["conflict"] * 20])
    return imperfect_verifier(curve, [1, 8], verifier, lambda _: {"answer": next(turned)})


def page_with(folder, found):
    worlds.write_run(folder, worlds.world())
    analysis = json.loads((folder / "analysis.json").read_text())
    if found is not None:
        analysis["imperfect_verifier"] = found
    (folder / "analysis.json").write_text(json.dumps(analysis))
    return report_html.parse(write_page(folder).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def of_labels(tmp_path_factory):
    found = part(from_labels([True] * 2 + [False] * 48 + [True] * 50, [False] * 50 + [True] * 50))
    return found, page_with(tmp_path_factory.mktemp("labels"), found)


def text_of(page):
    return page.by_id("verifier").text.replace("\xa0", " ")


def test_the_sweep_is_a_table_of_its_rates(of_labels):
    found, page = of_labels
    text = text_of(page)
    for rate in found["sweep"]["false_fail"]:
        assert f"{100 * rate:g} %" in text
    assert text.count("conflict") >= len(found["sweep"]["answer"])


def test_the_rate_that_changes_the_verdict_is_told(of_labels):
    found, page = of_labels
    first = found["verdict_changes_at"]["false_fail"]
    assert first is not None
    assert f"From a false-fail rate of {100 * first:g} % the verdict is another" in text_of(page)


def test_estimated_rates_are_told_with_their_numbers(of_labels):
    _, page = of_labels
    assert "estimated from labelled responses" in text_of(page)
    assert "false pass rate of 0.040" in text_of(page)


def test_without_rates_no_corrected_number_is_claimed(tmp_path):
    text = text_of(page_with(tmp_path, part(given(0.0, 0.0))))
    assert "the true numbers are" not in text
    assert "From a false-fail rate" in text


def test_an_older_analysis_has_no_such_section(tmp_path):
    assert "If the verifier errs" not in page_with(tmp_path, None).by_id("left-out").text
    assert "verifier" not in [e.attributes.get("id") for e in page_with(tmp_path / "b", None).elements]
