"""Sentences, numbers and texts of the report."""

import io
import tomllib

import pytest
import report_worlds as worlds
from rich.console import Console

from acute.report.numbers import count, number, p_value, show, show_k
from acute.report.repeat import toml
from acute.report.safe_text import clip, for_hover, label, visible
from acute.report.terminal import prompt_labels, summary
from acute.report.verdict import verdict


def analysis(**settings):
    return worlds.analysis_of(worlds.world(**settings))


def printed(*arguments, width=120, **more):
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(summary(*arguments, **more))
    return console.file.getvalue()


def test_conflict_is_said_with_its_k():
    said = verdict(analysis())
    assert said.answer == "conflict"
    assert said.title == "Conflict from k = 3 on (95 % interval 2 to 6)."
    assert "wholly below 0 at k = 4, 8, 16 and 32" in " ".join(said.details)


def test_conflict_that_ends_says_where():
    given = analysis()
    given["curve"]["inner"][20] = worlds.estimate(0.1, 0.01)
    assert verdict(given).title.startswith("Conflict from k = 3 to k = 20 (")


def test_conflict_without_a_threshold_names_the_k():
    given = analysis() | {"k_dagger": None}
    assert verdict(given).title == "Conflict at k = 4, 8, 16 and 32."


def test_conflict_between_the_k_asked_for_is_found_on_the_curve():
    given = analysis()
    for estimate in given["conflict"]["inner"]:
        estimate["hi"] = abs(estimate["hi"]) + 0.01
    given["verdict"] = {"answer": "conflict", "k": 24}
    cosine = given["curve"]["cosine"][23]
    assert f"at k = 24 is {number(cosine['value'], cosine['se'])}" in " ".join(verdict(given).details)


def test_calm_is_said_up_to_the_largest_k():
    said = verdict(analysis(conflict=False, seed=4))
    assert said.title == "No conflict up to k = 32."
    assert "above 0 at every k" in " ".join(said.details)


def test_calm_admits_an_interval_that_reaches_zero():
    given = analysis(conflict=False, seed=4)
    given["conflict"]["inner"][5]["lo"] = -0.01
    assert "still reaches 0 at k = 32" in " ".join(verdict(given).details)


def test_doubt_gives_the_interval_and_the_remedy():
    said = verdict(analysis(noise=20))
    assert said.title == "Cannot tell: at k = 32 both signs are possible."
    assert "reaches from −1.00 to +0.95" in said.details[0]
    assert "more responses per prompt would help" in said.details[0]


def test_without_any_interval_nothing_is_claimed():
    given = analysis()
    given["conflict"] |= {"inner": [None] * 6, "cosine": [None] * 6}
    given |= {"curve": None, "conflict_population": None, "verdict": None}
    assert verdict(given).title == "Cannot tell whether there is conflict."


@pytest.mark.parametrize(("noise", "seed"), [(1, 1), (20, 1)])
def test_the_answer_follows_from_the_intervals_where_none_is_given(noise, seed):
    given = analysis(noise=noise, seed=seed)
    assert verdict(given | {"verdict": None}).answer == given["verdict"]["answer"]


def test_terminal_shows_what_the_page_says():
    given, control = analysis(), analysis(conflict=False, seed=4)
    text = printed(given, control, "runs/x/report.html", labels={"prompt-0012": "5 + 3, with + for times"})
    for wanted in (
        "Conflict from k = 3 on",
        "−0.586",
        "−0.663 to −0.510",
        "+ means multiply",
        "5 + 3, with + for times",
        "Control: No conflict up to k = 32.",
        "Report: runs/x/report.html",
    ):
        assert wanted in text


def test_terminal_names_prompts_by_their_text(tmp_path):
    world = worlds.world()
    named = prompt_labels(worlds.write_run(tmp_path, world))
    assert named["prompt-0000"] == "What is 1 + 2? ▸ 1 + 2 ="
    text = printed(worlds.analysis_of(world), labels=named, width=160)
    assert "What is 5 + 3? ▸ 5 + 3 =" in text, "a long prompt is cut in its middle"


def test_terminal_shows_unknown_as_a_dash():
    text = printed(worlds.with_nulls(analysis(noise=6)))
    assert "—  (too few responses for this k)" in text
    assert "Control" not in text and "Report" not in text


def test_terminal_is_not_moved_by_hostile_names():
    given = analysis()
    given["families"][0]["family"] = "[red]x[/red]\x1b[31m\u202e"
    text = printed(given)
    assert "[red]x[/red]⟦U+001B⟧[31m⟦U+202E⟧" in text


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (-0.27134, 0.0462, "−0.271"),
        (0.5, None, "0.5"),
        (12.0, 1.5, "12.0"),
        (-2.31e-6, 4e-7, "−2.31·10⁻⁶"),
        (1234567.0, 2000.0, "1.2346·10⁶"),
        (0.0, 0.01, "0.000"),
        (0.0, 1e-9, "0"),
        (-1e-9, 0.01, "0.000"),
        (181.0, 0.001, "181.00"),
        (float("inf"), None, "∞"),
    ],
)
def test_numbers_have_the_digits_of_their_error(value, error, text):
    assert number(value, error) == text


def test_estimates_without_interval_or_value():
    assert str(show({"value": 1.0, "se": 3e6, "lo": -1.0, "hi": 1.0})) == "1.0 (−1.0 to 1.0)"
    assert str(show({"value": 3e-29, "se": 1e-30, "lo": 1e-30, "hi": 1.9e-24})) == "0 (0 to 1.90·10⁻²⁴)"
    assert str(show({"value": 0.5, "se": None, "lo": None, "hi": None})) == "0.5 (no interval)"
    assert str(show(None, "one prompt")) == "—  (one prompt)"
    assert str(show({"value": None, "reason": "why"}, "other")) == "—  (why)"


def test_thresholds():
    assert str(show_k({"value": 12, "lo": 9, "hi": None}, 32, "")) == "12 (9 to beyond 32)"
    assert str(show_k({"value": 12, "lo": None, "hi": None}, 32, "")) == "12 (no interval)"
    assert str(show_k(None, 32, "none up to k = 32")) == "—  (none up to k = 32)"


def test_p_values_claim_no_more_than_they_can():
    assert [p_value(p) for p in (None, 1e-9, 2.1e-5, 0.0412, 0.99999)] == [
        "—", "<\xa010⁻⁶", "2.1·10⁻⁵", "0.041", ">\xa00.999",
    ]  # fmt: skip


def test_counts():
    assert [count(1, "prompt"), count(4608, "response")] == ["1 prompt", "4,608 responses"]


def test_visible_keeps_what_can_be_seen():
    assert visible("naïve ∇J\n\t日本") == "naïve ∇J\n\t日本"
    assert visible("a\r\x7f\u2029\ufeff") == "a⟦U+000D⟧⟦U+007F⟧⟦U+2029⟧⟦U+FEFF⟧"


def test_clip_counts_the_whole():
    assert clip("abcdef", 3) == ("abc", 6, True)
    assert clip("abc", 3) == ("abc", 3, False)


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        (worlds.chat("What is 1 + 2?", "1 + 2 ="), "What is 1 + 2? ▸ 1 + 2 ="),
        ("<｜begin▁of▁sentence｜><｜User｜>Solve it.<｜Assistant｜>", "Solve it."),
        ("<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>", "Hi"),
        ("plain text", "plain text"),
        ("", "(empty prompt)"),
    ],
)
def test_labels_tell_prompts_apart(prompt, text):
    assert label(prompt, 60) == text


def test_hover_text_is_inert():
    assert for_hover("<a href='x'>&lt;") == "&lt;a href='x'&gt;&amp;lt;"


def test_toml_keeps_every_kind_of_value():
    config = {
        "a": 1,
        "b": {"c": [1, 2.5, 'x"\\\n\x7fé😀'], "d": True, "e f": "g", "h": {"i": None}},
        "j": None,
    }
    assert tomllib.loads(toml(config)) == {
        "a": 1,
        "b": {"c": [1, 2.5, 'x"\\\n\x7fé😀'], "d": True, "e f": "g"},
    }


def test_prompts_that_were_never_right_are_said_beside_the_verdict():
    analysis = worlds.analysis_of(worlds.world())
    analysis["counts"]["no_success"] = 2
    assert any("2 prompts were never right" in text for text in verdict(analysis).details)
    analysis["counts"]["no_success"] = 0
    assert not any("never right" in text for text in verdict(analysis).details)


def test_the_share_of_hard_prompts_is_told_where_it_is_not_overstated():
    from acute.report.verdict import verdict

    none = [None] * 3
    share = [{"value": v, "se": 0.1, "lo": v - 0.1, "hi": v} for v in (0.3, 0.6, 1.0)]
    analysis = {
        "prompts": 5,
        "responses": 40,
        "k_headline": 8,
        "conflict": {"k": [1, 4, 8], "inner": none, "cosine": none, "reason": "no model"},
        "hard_share": {"hard": 0.1, "k": [1, 4, 8], "share": share, "cross_fitted": [True, True, False]},
        "verdict": {"answer": "cannot tell", "k": None},
    }
    said = verdict(analysis)
    assert said.title == "Conflict was not measured." and said.details[0] == "No model."
    assert "take 60 % (95 % interval 50 to 60 %) of the weight that pass@4 puts on all." in said.details[1]
    analysis["hard_share"]["cross_fitted"] = [False] * 3
    assert "pass@8 puts on all, told from the same responses: overstated." in verdict(analysis).details[1]
