"""Figures as files: every one of the page, in colours of print, hostile text as text."""

import json
import re
import shutil
import sys
from xml.etree import ElementTree

import pytest
import report_worlds as worlds
from typer.testing import CliRunner

from acute.cli.main import app
from acute.errors import InputError, OutsideError
from acute.report import paper
from acute.report.compare import figures_of_runs

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(BROWSER is None, reason="needs chromium on the path")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    world = worlds.world()
    world.families = ["</text><script>alert(1)</script>" if f == "plain sums" else f for f in world.families]
    return paper.of_folder(worlds.write_run(tmp_path_factory.mktemp("run"), world))


def strings(part):
    if isinstance(part, str):
        yield part
    elif isinstance(part, dict):
        yield from (text for value in part.values() for text in strings(value))
    elif isinstance(part, list):
        yield from (text for value in part for text in strings(value))


def test_every_colour_is_resolved_to_that_of_print(drawn):
    for figure in drawn.values():
        assert not [text for text in strings(paper.on_paper(figure)) if text.startswith("@")]
    assert paper.on_paper({"data": ["@map-0", "@series-1"], "layout": {}})["data"] == ["#67001f", "#0d619e"]


def test_figures_are_plotly_figures_of_the_page(tmp_path, drawn):
    found = paper.figures(worlds.write_run(tmp_path, worlds.world()))
    assert set(found) == set(drawn)
    assert found["cosine"].layout.paper_bgcolor == "#ffffff"
    assert list(found["cosine"].data[-1].x) == worlds.KS


@needs_browser
def test_every_figure_becomes_a_file(tmp_path, drawn):
    some = {name: drawn[name] for name in ("cosine", "agreement_against_p")}
    written = paper.write_figures(some, tmp_path / "figures", ["svg", "pdf", "png"])
    assert sorted(p.name for p in (tmp_path / "figures").iterdir()) == sorted(p.name for p in written)
    starts = {".svg": b"<svg", ".pdf": b"%PDF", ".png": b"\x89PNG"}
    for path in written:
        assert path.read_bytes().startswith(starts[path.suffix]) and path.stat().st_size > 4000
    picture = ElementTree.parse(tmp_path / "figures/agreement_against_p.svg")
    assert not [e for e in picture.iter() if e.tag.endswith("script")]
    assert "</text><script>alert(1)</script>" in [e.text for e in picture.iter()]
    assert re.search(r"k .{0,40}log scale", (tmp_path / "figures/cosine.svg").read_text(encoding="utf-8"))


@needs_browser
def test_the_command_writes_them(tmp_path):
    runs = [worlds.write_run(tmp_path / name, worlds.world(seed=i)) for i, name in enumerate("ab")]
    command = ["compare", *map(str, runs), "--figures", str(tmp_path / "out"), "--format", "svg", "--json"]
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert json.loads(done.stdout)["k"] == worlds.KS
    names = figures_of_runs(
        {"a": worlds.analysis_of(worlds.world()), "b": worlds.analysis_of(worlds.world())}
    )
    assert {p.stem for p in (tmp_path / "out").iterdir()} == set(names)


def test_what_is_missing_is_one_clear_error(tmp_path, drawn, monkeypatch):
    with pytest.raises(InputError, match="wanted a format of svg, pdf, png, found 'gif'"):
        paper.write_figures(drawn, tmp_path, ["gif"])
    monkeypatch.setitem(sys.modules, "kaleido", None)
    with pytest.raises(OutsideError, match=r"pip install 'acute\[figures\]'"):
        paper.write_figures(drawn, tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutsideError, match="could not write figures to"):
        paper.write_figures(drawn, tmp_path / "file" / "below")
    assert [p.name for p in tmp_path.iterdir()] == ["file"], "nothing half made is left"


@needs_browser
def test_a_machine_without_a_browser_is_told_what_to_install(tmp_path, drawn, monkeypatch):
    from choreographer.errors import ChromeNotFoundError

    def none_there(*_, **__):
        raise ChromeNotFoundError("none")

    monkeypatch.setattr("kaleido.write_fig_from_object_sync", none_there)
    with pytest.raises(OutsideError, match="apt-get install chromium"):
        paper.write_figures(drawn, tmp_path)
