"""The page in a real browser, where there is one (Debian's chromium)."""

import base64
import hashlib
import shutil
import subprocess

import pytest
import report_html
import report_worlds as worlds

from acute.report.page import write_page

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium on the path")
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=6000",
)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A page whose model output attacks it."""
    return write_page(worlds.write_run(tmp_path_factory.mktemp("run"), worlds.hostile(worlds.world())))


@pytest.fixture
def dom(tmp_path):
    """The page after the browser ran it, and after `script` did."""

    def after(page, script="", fragment=""):
        text = page.read_text(encoding="utf-8")
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        text = text.replace("script-src ", f"script-src 'sha256-{digest}' ", 1)
        copy = tmp_path / "page.html"
        copy.write_text(text.replace("</body>", f"<script>{script}</script></body>"), encoding="utf-8")
        command = [CHROMIUM, *QUIET, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
        done = subprocess.run(
            [*command, f"{copy.as_uri()}{fragment}"], capture_output=True, text=True, timeout=120, check=True
        )
        return report_html.parse(done.stdout)

    return after


def rows(page):
    return [e for e in page.all("tr") if "data-prompt" in e.attributes]


def test_every_figure_is_drawn_and_nothing_hostile_runs(dom, hostile):
    page = dom(hostile)
    plots = [e for e in page.all("div") if "data-figure" in e.attributes]
    assert len(plots) == 7
    assert all(e.attributes.get("data-drawn") == "yes" for e in plots)
    assert len([e for e in page.all("svg") if e.attributes.get("class") == "main-svg"]) >= 7
    assert len(page.all("script")) == 4  # data, plotly, ours, and this test's
    assert not page.all("img")


def test_a_link_opens_its_prompt(dom, hostile):
    page = dom(hostile, fragment="#prompt-18")
    detail = page.by_id("prompt-18-more")
    assert "hidden" not in detail.attributes
    assert "hidden" in page.by_id("prompt-2-more").attributes
    assert worlds.HOSTILE["script"] in detail.text


def test_rows_sort_by_value_and_keep_their_details(dom, hostile):
    click = "document.querySelector('[data-sort=p]').click()"
    page = dom(hostile, click)
    order = [row.attributes["data-prompt"] for row in rows(page)]
    exact = dict(zip(worlds.prompt_ids(worlds.world()), worlds.world().p, strict=True))
    assert order == sorted(order, key=exact.get)
    ids = [e.attributes["id"] for e in page.all("tr") if "id" in e.attributes]
    assert ids[1::2] == [f"{key}-more" for key in ids[::2]]


def test_find_hides_what_does_not_match(dom, hostile):
    find = "f = document.getElementById('find'); f.value = 'prompt-0003'; f.dispatchEvent(new Event('input'))"
    page = dom(hostile, find)
    shown = [row for row in rows(page) if "hidden" not in row.attributes]
    assert [row.attributes["data-prompt"] for row in shown] == ["prompt-0003"]
    assert page.by_id("found").text == "1 of 18"


def test_enter_on_a_prompt_opens_it_once(dom, hostile):
    page = dom(hostile, "document.querySelector('#prompt-3 .open').click()")
    assert "hidden" not in page.by_id("prompt-3-more").attributes
    opened = [e for e in page.all("button") if e.attributes.get("aria-expanded") == "true"]
    assert len(opened) == 1
