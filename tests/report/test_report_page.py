"""The page against the JSON that it was made from."""

import base64
import hashlib
import json
import re
import tomllib

import plotly.graph_objects as go
import pyarrow.parquet as pq
import pytest
import report_html
import report_worlds as worlds

from acute.errors import InputError, TableError
from acute.report.page import write_page

SECTIONS = ("verdict", "costliest", "family-costs", "control", "figures", "numbers", "families", "prompts",
            "how-to-read", "left-out", "repeat")  # fmt: skip
FIGURES = {"cosine", "inner", "pass_at_k", "agreement_against_p", "agreement_histogram", "weight_by_p",
           "contribution_histogram"}  # fmt: skip
LIBRARY = 5_200_000  # characters: plotly and the page's own parts


def page_of(folder):
    return report_html.parse(write_page(folder).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = worlds.write_run(
        tmp_path_factory.mktemp("run") / "conflict", worlds.world(), run=worlds.run_of(control="control.toml")
    )
    worlds.write_run(folder / "control", worlds.world(conflict=False, seed=4))
    return folder


@pytest.fixture(scope="module")
def page(folder):
    return page_of(folder)


@pytest.fixture(scope="module")
def analysis(folder):
    return json.loads((folder / "analysis.json").read_text())


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    return page_of(worlds.write_run(tmp_path_factory.mktemp("hostile"), worlds.hostile(worlds.world())))


def test_every_section_is_there(page):
    for section in SECTIONS:
        assert page.by_id(section).text.strip()


def test_the_first_screen_answers(page, analysis):
    first = page.by_id("verdict").text.replace("\xa0", " ")
    assert f"Conflict from k = {analysis['k_dagger']['value']} on (95 % interval 2 to 6)" in first
    assert "+ means multiply" in first
    assert "No conflict up to k = 32." in first, "the control stands beside it"


def test_nothing_is_loaded_from_outside(page):
    loading = {"src", "href", "action", "srcset", "data", "poster", "background", "formaction"}
    for element in page.elements:
        for name in loading & set(element.attributes):
            assert element.attributes[name].startswith("#"), (element.tag, element.attributes)
    assert not page.all("link") + page.all("iframe") + page.all("img") + page.all("object")
    (style,) = [e for e in page.all("style") if "--paper" in e.text]
    assert "url(" not in style.text and "@import" not in style.text


def test_the_policy_forbids_what_was_not_written_by_us(page):
    (policy,) = page.all("meta", http_equiv="Content-Security-Policy")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.attributes["content"].split(";"))
    assert rules["default-src"] == "'none'"
    assert "unsafe" not in rules["script-src"]
    ours = [e for e in page.all("script") if e.attributes.get("type") != "application/json"]
    for script in ours:
        digest = base64.b64encode(hashlib.sha256(script.text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in rules["script-src"]


def numbers(page, section, what):
    """The exact values of one column, in order."""
    inside, found = False, []
    for element in page.elements:
        if element.tag in ("td", "th"):
            inside = element.attributes.get("data-what") == what and section in element.inside
        if element.tag == "data" and inside:
            found.append(element.attributes)
    return found


@pytest.mark.parametrize("what", ["cosine", "inner", "inner_sum", "mean_weight", "covariance"])
def test_numbers_by_k_are_those_of_the_json(page, analysis, what):
    shown = numbers(page, "numbers", what)
    wanted = analysis["conflict"][what]
    assert [float(n["value"]) for n in shown] == [e["value"] for e in wanted]
    assert [float(n["data-lo"]) for n in shown] == [e["lo"] for e in wanted]
    assert [float(n["data-hi"]) for n in shown] == [e["hi"] for e in wanted]


@pytest.mark.parametrize("what", ["p", "weight", "agreement", "contribution", "share"])
def test_numbers_of_prompts_are_those_of_the_json(page, analysis, what):
    rows = page.all("tr", **{"class": "row"})
    order = [row.attributes["data-prompt"] for row in rows]
    by_id = {row["prompt_id"]: row for row in analysis["per_prompt"]}
    shown = [float(n["value"]) for n in numbers(page, "prompts", what)]
    assert shown == [by_id[prompt][what]["value"] for prompt in order]
    assert sorted(order) == sorted(by_id)


def test_the_prompts_that_cost_most_come_first(page, analysis):
    order = [row.attributes["data-prompt"] for row in page.all("tr", **{"class": "row"})]
    assert order[:10] == [row["prompt_id"] for row in analysis["prompts_that_cost_most"]]


def test_figures_hold_the_numbers_of_the_json(page, analysis):
    figures = page.figures()
    assert set(figures) == FIGURES
    lines = {t["name"]: t for t in figures["cosine"]["data"] if t.get("mode") == "lines" and "name" in t}
    assert lines["this run"]["x"] == analysis["curve"]["k"]
    assert lines["this run"]["y"] == [e["value"] for e in analysis["curve"]["cosine"]]
    assert lines["naive"]["y"] == analysis["conflict"]["naive_cosine"]
    assert "control" in lines
    marks = [y for t in figures["agreement_against_p"]["data"] for y in t["y"] if y is not None]
    assert sorted(marks) == sorted(r["agreement"]["value"] for r in analysis["per_prompt"])
    for name in ("agreement_histogram", "contribution_histogram"):
        assert sum(sum(t["y"]) for t in figures[name]["data"]) == 18


def test_plotly_accepts_every_figure(page):
    css = next(e.text for e in page.all("style") if "--paper" in e.text)
    names = {}

    def resolved(part):
        if isinstance(part, str) and part.startswith("@"):
            names[part[1:]] = True
            return "Arial" if part == "@font" else "#123456"
        if isinstance(part, list):
            return [resolved(item) for item in part]
        return {k: resolved(v) for k, v in part.items()} if isinstance(part, dict) else part

    for figure in page.figures().values():
        go.Figure(resolved(figure))
    missing = [name for name in names if f"--{name}:" not in css]
    assert not missing, "every colour of a figure is in the style sheet"


def test_every_plot_has_a_label_and_a_caption(page):
    plots = [e for e in page.all("div") if e.attributes.get("class") == "plot"]
    assert {e.attributes["data-figure"] for e in plots} == FIGURES
    assert all(e.attributes["aria-label"] for e in plots)
    assert len(page.all("figcaption")) == len(plots)


def test_the_configuration_can_be_run_again(page):
    (shown,) = page.all("pre", **{"class": "config"})
    config = worlds.run_of()["config"]
    again = tomllib.loads(shown.text)
    assert again["analyse"]["k"] == config["analyse"]["k"]
    assert again["model"] == config["model"] and again["seed"] == 0
    assert "easy" not in again["analyse"]


def test_unknown_is_a_dash_with_a_reason(tmp_path):
    world = worlds.world(noise=6)
    page = page_of(worlds.write_run(tmp_path, world, worlds.with_nulls(worlds.analysis_of(world))))
    dashes = [e.text.replace("\xa0", " ") for e in page.all("span", **{"class": "none"})]
    assert all(re.fullmatch(r"—\s+\(.+\)", dash) for dash in dashes)
    reasons = " ".join(dashes)
    for reason in (
        "no success in 256 responses",
        "its folds hold one response",
        "too few responses for this k",
    ):
        assert reason in reasons
    assert [n["value"] for n in numbers(page, "numbers", "cosine")][-1] != "0"
    assert len(numbers(page, "numbers", "cosine")) == len(worlds.KS) - 1
    assert "no interval" in page.by_id("numbers").text
    said = page.by_id("left-out").text
    assert "Excluded: 2 — verifier failed on every response." in said
    assert "1 prompt without a single success" in said
    assert "NaN" not in page.by_id("figure-data").text


def test_a_run_without_control_tables_or_families(tmp_path):
    world = worlds.world(conflict=False)
    analysis = worlds.analysis_of(world) | {"families": [], "curve": None}
    folder = worlds.write_run(tmp_path, world, analysis)
    (folder / "prompts.parquet").unlink()
    (folder / "responses.parquet").unlink()
    page = page_of(folder)
    assert "This run has none." in page.by_id("control").text
    assert "No conflict up to k" in page.by_id("verdict").text.replace("\xa0", " ")
    assert "The text of this prompt is not in prompts.parquet." in page.by_id("prompts").text


def test_numbers_by_a_model_stand_apart_with_the_reason_where_it_is_refused(tmp_path):
    world = worlds.world()
    analysis = worlds.analysis_of(world)
    names = ("pass_at_k", "pass_at_k_population", "inner", "inner_population", "cosine")
    one = {"value": -0.25, "se": 0.1, "lo": -0.45, "hi": -0.05}
    found = {name: [one, None] for name in names}
    analysis["beyond"] = {"k": [64, 128], **found, "reason": "it does not reproduce the counts"}
    page = page_of(worlds.write_run(tmp_path, world, analysis))
    table = page.by_id("beyond")
    assert [n["value"] for n in numbers(page, "beyond", "cosine")] == ["-0.25"]
    assert table.text.count("it does not reproduce the counts") == len(names)
    assert "suppose" in page.by_id("numbers").text


def test_numbers_without_an_interval_and_remarks_said_once(tmp_path):
    world, run = worlds.world(), worlds.run_of()
    analysis = worlds.analysis_of(world)
    analysis["conflict"]["mean_weight"] = [1.0, 1.3, 1.9, 2.6, 3.3, 3.2]
    analysis["excluded"] = {"responses without a reward": 3}
    run["left_out"] = {"responses without a reward": 3}
    page = page_of(worlds.write_run(tmp_path, world, analysis, run))
    shown = numbers(page, "numbers", "mean_weight")
    assert [float(n["value"]) for n in shown] == analysis["conflict"]["mean_weight"]
    assert page.by_id("left-out").text.count("responses without a reward") == 1


def test_no_prompt_is_blamed_for_noise(tmp_path):
    page = page_of(worlds.write_run(tmp_path, worlds.world(conflict=False)))
    assert "No prompt is known to pull the cosine down" in page.by_id("costliest").text


def test_hostile_responses_stay_text(hostile):
    scripts = hostile.all("script")
    assert len(scripts) == 4  # data, plotly and two of ours
    assert not hostile.all("img")
    assert "sums" not in [e.text for e in hostile.all("b")]
    shown = [e.text for e in hostile.all("pre")]
    for name in ("script", "end of script", "template", "link"):
        assert worlds.HOSTILE[name] in shown
    assert not [e for e in hostile.all("a") if "evil" in e.attributes.get("href", "")]


def test_invisible_characters_are_made_visible(hostile):
    text = "".join(e.text for e in hostile.elements if e.tag in ("main", "title"))
    data = hostile.by_id("figure-data").text
    for character in "\u202e\u2066\u200b\u2028\x00\x1b\x07":
        assert character not in text and character not in data
    assert "abc⟦U+202E⟧gnp.exe⟦U+2066⟧⟦U+200B⟧" in text
    assert "⟦U+0000⟧⟦U+001B⟧[31mred⟦U+0007⟧" in text


def test_long_responses_are_clipped_and_say_so(hostile):
    assert "clipped: 1,000,000 characters in all" in hostile.by_id("prompts").text
    assert len(hostile.by_id("prompts").text) < 200_000


def test_a_failed_check_is_not_a_wrong_answer(tmp_path):
    world = worlds.world()
    world.extra = [
        {"prompt_id": "prompt-0003", "response": "?", "reward": None, "outcome": "timeout", "finish": "eos"}
    ] * 300
    page = page_of(worlds.write_run(tmp_path, world))
    unchecked = page.all("li", **{"class": "unchecked"})
    assert len(unchecked) == 1 and "not known (timeout)" in unchecked[0].text and "300 ×" in unchecked[0].text


def test_hover_text_of_prompts_is_inert(hostile):
    hovers = [
        t for trace in hostile.figures()["agreement_against_p"]["data"] for t in trace.get("hovertext", ())
    ]
    assert len(hovers) == 18
    assert not [t for t in hovers if "<script" in t]


def test_two_thousand_prompts(tmp_path):
    target = write_page(worlds.with_maps(tmp_path, worlds.many(2000)))
    assert target.stat().st_size < 12_000_000
    page = report_html.parse(target.read_text(encoding="utf-8"))
    assert len(json.dumps(page.figures()["interference"])) < 200_000, "names once, not for every pair"
    rows = page.all("tr", **{"class": "row"})
    assert len(rows) == 2000
    assert sum("hidden" not in row.attributes for row in rows) == 50, "the rest opens on demand"
    assert "up to 2 distinct right ones and 2 others" in page.by_id("prompts").text


def test_the_page_is_small(folder):
    assert (folder / "report.html").stat().st_size < LIBRARY


def test_written_whole_or_not_at_all(folder, page):
    del page
    assert not list(folder.glob(".report.html*"))
    before = (folder / "report.html").read_text()
    assert write_page(folder).read_text() == before, "the same run gives the same page"


def broken(change):
    analysis = worlds.analysis_of(worlds.world())
    change(analysis)
    return json.dumps(analysis)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "run acute analyse"),
        ("{", "wanted JSON"),
        ("[]", "wanted a JSON object, found list"),
        ('{"prompts": NaN}', "NaN stands for a number"),
        ("{}", "missing 'prompts'; missing 'responses'; missing 'conflict'"),
        (broken(lambda a: a["conflict"].pop("cosine")), "missing conflict.cosine"),
        (broken(lambda a: a["conflict"]["inner"].pop()), "conflict.inner has 5 values for 6 k"),
        (broken(lambda a: a["conflict"]["inner"].__setitem__(0, 0.5)), "an estimate must be an object"),
    ],
)
def test_a_bad_analysis_is_one_clear_error(tmp_path, text, message):
    folder = worlds.write_run(tmp_path, worlds.world())
    (folder / "analysis.json").unlink()
    if text is not None:
        (folder / "analysis.json").write_text(text)
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        write_page(folder)
    assert "analysis.json" in str(caught.value)
    assert not (folder / "report.html").exists()


def test_a_bad_table_is_one_clear_error(tmp_path):
    folder = worlds.write_run(tmp_path, worlds.world())
    (folder / "responses.parquet").write_bytes(b"not parquet")
    with pytest.raises(TableError, match=r"responses\.parquet: wanted Parquet"):
        write_page(folder)
    pq.write_table(worlds.responses_of(worlds.world()).drop(["response"]), folder / "responses.parquet")
    with pytest.raises(TableError, match="missing column 'response'"):
        write_page(folder)
