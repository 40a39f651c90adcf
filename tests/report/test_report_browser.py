"""The page in a real browser, where there is one (Debian's chromium)."""

import re

import pytest
import report_worlds as worlds

from acute.report.page import write_page

WORLD = worlds.world()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A page whose model output attacks it."""
    return write_page(worlds.with_maps(tmp_path_factory.mktemp("run"), worlds.hostile(worlds.world())))


@pytest.fixture(scope="module")
def hostile(opened, path):
    """The page, opened once; the tests below follow one another on it."""
    found = opened(path, "#prompt-18")
    yield found
    found.close()


def shown_prompts(page):
    return page.eval_on_selector_all("tr.row:not([hidden])", "rows => rows.map(r => r.dataset.prompt)")


def test_every_figure_is_drawn_and_nothing_hostile_runs(hostile):
    page = hostile.page
    plots = page.locator(".plot")
    assert plots.count() == 9
    for i in range(9):
        assert plots.nth(i).locator("svg.main-svg").first.is_visible()
    assert page.locator("script").count() == 4 and page.locator("img").count() == 0
    assert hostile.faults == []


def test_a_link_opens_its_prompt(hostile):
    page = hostile.page
    assert page.locator("#prompt-18-more").is_visible() and not page.locator("#prompt-2-more").is_visible()
    assert worlds.HOSTILE["script"] in page.locator("#prompt-18-more").inner_text()


def test_the_mouse_over_a_mark_shows_its_prompt_as_text(hostile):
    page = hostile.page
    plot = page.locator("[data-figure=agreement_against_p]")
    plot.scroll_into_view_if_needed()
    page.evaluate(
        "Plotly.Fx.hover(document.querySelector('[data-figure=agreement_against_p]'),"
        " [{curveNumber: 0, pointNumber: 1}])"
    )
    label = plot.locator(".hoverlayer .hovertext")
    label.wait_for()
    assert "<script>alert(1)</script> ▸ ⟦U+0000⟧⟦U+001B⟧[31mred" in label.text_content()
    assert plot.locator("script").count() == 0 and hostile.faults == []


def test_hatched_bars_keep_their_colour(hostile):
    ground = "one => getComputedStyle(one).fill"
    fills = [rect.evaluate(ground) for rect in hostile.page.locator(".plot pattern rect").all()]
    assert fills and set(fills) == {"rgb(209, 73, 11)"}


def test_the_map_names_both_prompts_of_a_cell(hostile):
    names = hostile.page.evaluate(
        "document.querySelector('[data-figure=interference]').data[0].customdata[2][5]"
    )
    assert len(names) == 2 and names[0] != names[1]


def test_a_figure_is_saved_in_the_colours_of_paper(hostile):
    page = hostile.page
    page.emulate_media(color_scheme="dark")
    with page.expect_download() as found:
        page.locator("#figure-cosine [data-save=svg]").click()
    svg = found.value.path().read_text(encoding="utf-8")
    assert found.value.suggested_filename == "cosine.svg" and "rgb(10, 102, 168)" in svg
    page.emulate_media(color_scheme="light")


def test_rows_sort_by_value_and_keep_their_details(hostile):
    page = hostile.page
    page.locator("[data-sort=p]").click()
    exact = dict(zip(worlds.prompt_ids(WORLD), WORLD.p, strict=True))
    assert shown_prompts(page) == sorted(exact, key=exact.get)
    ids = page.eval_on_selector_all("#prompt-table tbody tr", "rows => rows.map(r => r.id)")
    assert ids[1::2] == [f"{key}-more" for key in ids[::2]]


def test_find_hides_what_does_not_match(hostile):
    page = hostile.page
    page.locator("#find").fill("prompt-0003")
    assert shown_prompts(page) == ["prompt-0003"] and page.locator("#found").inner_text() == "1 of 18"
    page.locator("#find").fill("")


def test_enter_on_a_prompt_opens_it_once(hostile):
    page = hostile.page
    page.locator("#prompt-3 .open").focus()
    page.keyboard.press("Enter")
    assert page.locator("#prompt-3-more").is_visible()
    assert page.locator(".open[aria-expanded=true]").count() == 2  # and the one of the link


def test_a_dark_screen_prints_on_white(hostile):
    page = hostile.page
    page.emulate_media(color_scheme="dark")
    ink = "getComputedStyle(document.querySelector('#figure-cosine .xtick text')).fill"
    page.wait_for_function(f"() => {ink} === 'rgb(231, 232, 230)'")  # the figures have turned dark
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    printed = page.evaluate(ink)
    body = page.evaluate("getComputedStyle(document.body).color")
    page.emulate_media(media="screen", color_scheme="light")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert [max(map(int, re.findall(r"\d+", colour)[:3])) < 80 for colour in (printed, body)] == [True, True]
