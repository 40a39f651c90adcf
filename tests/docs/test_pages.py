"""The blocks of a page are read as the page means them, and what is wrong is seen."""

import pytest

from tests.docs.pages import blocks, commands, differs, faults, page_before

FENCE = "```"


def fenced(language, text="x = 1", mark=""):
    return f"{mark}\n{FENCE}{language}\n{text}\n{FENCE}\n"


@pytest.mark.parametrize(
    "page",
    [
        fenced("python"),
        fenced("console", "$ acute doctor\nversions:"),
        fenced("json", "{}", "<!-- file: log.jsonl -->"),
        fenced("bash", "true", "<!-- not run: it takes\nan hour -->"),
        fenced("python", "print(1)") + fenced("text", "1", "<!-- prints -->"),
        f"{FENCE}{{toctree}}\n*\n{FENCE}",
    ],
)
def test_what_is_run_or_marked_is_right(page):
    assert faults(page) == []


@pytest.mark.parametrize(
    "page",
    [
        fenced("json", "{}"),
        fenced("bash", "true"),
        fenced("", "true"),
        fenced("json", "{}", "<!-- not run -->"),  # no reason
        fenced("json", "{}", "<!-- not run: -->"),
        fenced("json", "{}", "<!-- not run: why -->\n\nA sentence between."),
        fenced("json", "{}", "<!-- some other comment -->"),
        fenced("console", "make run"),  # no command begins with $
        fenced("text", "1", "<!-- prints -->"),  # nothing before it
        fenced("python", "1", "<!-- not run: why -->") + fenced("text", "1", "<!-- prints -->"),
        "A paragraph.\n\n    acute run\n",
    ],
)
def test_what_is_neither_is_a_fault(page):
    assert len(faults(page)) == 1


def test_a_mark_and_what_it_says():
    (block,) = blocks(
        fenced("console", "$ acute", "<!-- exit 3 -->\n<!-- noise 0.05 -->\n<!-- file: a.b -->")
    )
    assert block.marks == {"exit": "3", "noise": "0.05", "file": "a.b"} and block.line == 4
    assert page_before("# A\n\n<!-- after: docs/tutorial.md -->\n") == "docs/tutorial.md"
    assert page_before("# A\n") is None


def test_commands_and_what_stands_below_them():
    text = "$ a b   # why\nout 1\nout 2\n$ c \\\n    d\n$ e\n"
    assert commands(text) == [("a b", "out 1\nout 2\n"), ("c     d", ""), ("e", "")]


@pytest.mark.parametrize(
    ("shown", "printed", "noise"),
    [
        ("a 1\nb", "a   1\n\nb\n", 0),
        ("a ... c", "a b c", 0),
        ("a\n...\nd", "a\nb\nc\nd", 0),
        ("a\n...", "a\nb\nc", 0),
        ("...\nc", "a\nb\nc", 0),
        ("p 0.50 (+0.41 to −0.1)", "p 0.53 (+0.44 to −0.14)", 0.05),
        ("p 200", "p 209", 0.05),
    ],
)
def test_the_same(shown, printed, noise):
    assert differs(shown, printed, noise) is None


@pytest.mark.parametrize(
    ("shown", "printed", "noise"),
    [
        ("a 1", "a 2", 0),
        ("a", "a\nb", 0),
        ("a\nb", "a", 0),
        ("a\n...\nd", "a\nb\nc", 0),
        ("p 0.50", "p 0.56", 0.05),
        ("p 200", "p 211", 0.05),
        ("p 0.50", "q 0.50", 0.05),
        ("p 0.5", "p −0.5", 0.05),
    ],
)
def test_not_the_same(shown, printed, noise):
    assert differs(shown, printed, noise) is not None
