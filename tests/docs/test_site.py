"""The site builds without a warning, lists every page, has current commands; links lead somewhere."""

import contextlib
import io
import re
import shutil
import subprocess
import sys
from importlib.metadata import version

import pytest
from markdown_it import MarkdownIt
from sphinx.cmd.build import build_main

from tests.docs.pages import GENERATED, PAGES, ROOT

pytestmark = pytest.mark.filterwarnings("ignore:.*MystReferenceResolver.app")  # MyST's to mend
INDEX = ROOT / "docs" / "index.md"
TYPER = tuple(map(int, version("typer").split(".")[:2]))


def sphinx(source, out):
    """(whether it worked, what it says): all pages read and resolved, none written; warnings are errors.

    In this process, which may have loaded torch and TRL already.
    """
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        failed = build_main(["-q", "-W", "--keep-going", "-b", "dummy", str(source), str(out)])
    return not failed, said.getvalue()


def test_the_site_builds_without_a_warning(tmp_path):
    worked, said = sphinx(ROOT / "docs", tmp_path)
    assert worked, said


def test_what_is_broken_is_seen(tmp_path):
    shutil.copy(ROOT / "docs" / "conf.py", tmp_path)
    (tmp_path / "index.md").write_text(
        "# A\n\n[no page](none.md) [no heading](other.md#none) [right](other.md#there)\n\n"
        "```{toctree}\nother\n```\n"
    )
    (tmp_path / "other.md").write_text("# B\n\n## There\n")
    (tmp_path / "alone.md").write_text("# C, which no list names\n")
    worked, said = sphinx(tmp_path, tmp_path / "out")
    seen = {name: sum(name in line for line in said.splitlines()) for name in ("none.md", "'none'", "alone")}
    assert not worked and min(seen.values()) == 1, said
    assert "there" not in said


def test_every_page_is_in_the_list_in_the_order_of_the_menu():
    text = INDEX.read_text()
    menus = re.findall(r":caption: .*\n\n([^`]+)\n```", text)
    menu = [re.sub(r".*<(.*)>", r"\1", line) for entries in menus for line in entries.split("\n")]
    linked = re.findall(r"^\* \[.*?\]\((\S+)\.md\)", text, flags=re.M)
    assert linked == menu
    first_level = {p.stem for p in (ROOT / "docs").glob("*.md")} - {"index"}
    assert first_level == {name for name in linked if "/" not in name}


@pytest.mark.skipif(TYPER < (0, 29), reason="an older typer lays the page out otherwise")
def test_the_commands_page_is_current(tmp_path):
    page = tmp_path / "cli.md"
    command = [sys.executable, "-m", "typer", "acute.cli.main", "utils", "docs", "--name", "acute"]
    subprocess.run([*command, "--output", str(page)], check=True, capture_output=True)
    assert page.read_text() == GENERATED.read_text(), "run `make docs`"


def targets(path):
    """Where the links and pictures of a page lead, inside the repository."""
    for token in MarkdownIt("commonmark").enable("table").parse(path.read_text()):
        for child in token.children or []:
            to = child.attrGet("href") or child.attrGet("src") or ""
            if to and not re.match(r"[a-z]+:", str(to)):
                yield str(to)


@pytest.mark.parametrize("path", [*PAGES, GENERATED], ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_to_files(path):
    """As files, which is how a repository shows them; headings are the site's to check."""
    for target in targets(path):
        assert target.startswith("#") or (path.parent / target.partition("#")[0]).exists(), target


def test_links_are_found():
    assert {"docs/tutorial.md", "docs/figures/quickstart.png", "docs/gate.md"} <= set(targets(PAGES[0]))
