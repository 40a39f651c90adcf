"""Every kind of page: no fault that axe-core finds, usable by keyboard, no sideways scrolling."""

import json
from pathlib import Path

import pytest
import report_worlds as worlds
from typer.testing import CliRunner

from acute.cli.main import app
from acute.report.compare import read_runs, write_compare_page
from acute.report.page import write_page
from acute.report.training import write_training_page

SCREENS = [("screen", scheme, width) for scheme in ("light", "dark") for width in (1280, 390)]
MEDIA = [*SCREENS, ("print", "light", 1280), ("print", "light", 390)]
# axe takes most of the time: it sees each scheme, on which colours hang, and each width, on which places do
AXE = [("screen", "light", 1280), ("screen", "dark", 390), ("print", "light", 390)]
PAGES = ("report", "compare", "training")
HOSTILE_LOG = "</pre><script>alert(1)</script>\u202e"


@pytest.fixture(scope="module")
def axe():
    bundled = pytest.importorskip("axe_playwright_python", reason="it is of the development set")
    return (Path(bundled.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


def training(folder):
    """A training's page, with a family that attacks it."""
    family = worlds.HOSTILE["end of script"]
    cosine = {"value": -0.2, "se": 0.1, "lo": -0.4, "hi": 0.0}
    rows = [
        {"step": s, "pass@1": 0.1 * s, "pass@8": 0.5, f"pass@1/{family}": 0.5, "k": 8, "cosine_k": cosine}
        for s in range(6)
    ]
    train = {"objective": "pass@8", "mitigation": "none", "optimizer": "sgd", "learning_rate": 0.1}
    (folder / "train.json").write_text(json.dumps({"config": {"train": train}}))
    (folder / "acute.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return write_training_page(folder)


def with_all(folder):
    """The page of a run with a control run and both maps, whose model output attacks it."""
    worlds.with_maps(folder, worlds.hostile(worlds.world()))
    (folder / "run.json").write_text(json.dumps(worlds.run_of(control="control.toml")))
    worlds.write_run(folder / "control", worlds.world(conflict=False, seed=4))
    return write_page(folder)


@pytest.fixture(scope="module", params=PAGES)
def found(request, tmp_path_factory, opened):
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "report":
        path = with_all(folder)
    elif request.param == "compare":
        folders = [worlds.write_run(folder / f"run-{i}<b>", worlds.world(i % 2 == 0, seed=i)) for i in (1, 2)]
        path = write_compare_page(folder / "page.html", read_runs(folders))
    else:
        path = training(folder)
    page = opened(path)
    yield page
    page.close()


def profile(folder):
    """The page of a log's profile, which has no script."""
    rows = [
        {
            "prompt_id": f"p{x}",
            "prompt": f"{x} + 0 = ?",
            "response": f"{HOSTILE_LOG} {x}",
            "reward": float(j < x),
        }
        for x in range(8)
        for j in range(8)
    ]
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = [
        "import",
        str(folder / "log.jsonl"),
        "--format",
        "jsonl",
        "--out",
        str(folder / "run"),
        "--profile",
    ]
    CliRunner().invoke(app, command, catch_exceptions=False)
    return folder / "run" / "profile.html"


def test_the_page_of_a_profile_has_no_violation(opened, axe, tmp_path):
    page = opened(profile(tmp_path))
    no_violation_in_any_medium(page, axe)
    page.close()


def test_axe_finds_no_violation_in_any_medium(found, axe):
    no_violation_in_any_medium(found, axe)


def no_violation_in_any_medium(found, axe):
    """Opens everything that opens, and asks axe on screens and on paper."""
    page = found.page
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.evaluate(axe)  # not subject to the page's policy, which stays in force
    for media, scheme, width in MEDIA:
        page.emulate_media(media=media, color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 900})
        if (media, scheme, width) in AXE:
            faults = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
            told = [(f["id"], [node["html"][:120] for node in f["nodes"][:3]]) for f in faults]
            assert told == [], (media, scheme, width)
        # figures take the new width when the browser has time; never: an error
        assert fits(page), (media, scheme, width)
    page.emulate_media(media="screen", color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 900})
    assert found.faults == []


def fits(page):
    """Whether nothing reaches beyond the page's width within 20 s; its policy forbids to wait inside it."""
    for _ in range(40):
        if page.evaluate("document.documentElement.scrollWidth <= innerWidth"):
            return True
        page.wait_for_timeout(500)
    return False


def test_that_axe_can_find_one(found, axe):
    page = found.page
    page.evaluate(axe)
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<button id=nameless></button>')")
    faults = page.evaluate("axe.run('#nameless', {resultTypes: ['violations']})")["violations"]
    page.evaluate("document.getElementById('nameless').remove()")
    assert "button-name" in [fault["id"] for fault in faults]


IN_REACH = (
    "e => (e.id || e.dataset.save || e.dataset.sort || e.tagName) + '|' + getComputedStyle(e).outlineStyle"
)


def test_tab_reaches_every_control_and_shows_where_it_is(found):
    page = found.page
    wanted = page.locator(
        "a[href]:visible, button:visible, input:visible, summary:visible, [tabindex='0']:visible"
    ).count()
    page.evaluate("document.activeElement?.blur(); scrollTo(0, 0)")
    reached = []
    for _ in range(wanted + 1):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(f"({IN_REACH})(document.activeElement)"))
    assert reached[0].startswith("A|"), "the first stop skips to the content"
    controls = [stop for stop in reached if not stop.startswith("BODY")]
    assert len(controls) >= wanted
    assert not [stop for stop in controls if stop.endswith("|none")], "focus is visible at every stop"


def test_every_figure_has_its_numbers_beside_it(found):
    page = found.page
    for figure in page.locator("figure").all():
        foot = figure.locator(".foot")
        target = foot.locator("a").first.get_attribute("href") if foot.locator("a").count() else None
        tables = (
            foot.locator("details table").count()
            if target is None
            else page.locator(f"{target} table").count()
        )
        assert tables >= 1, figure.get_attribute("id")
