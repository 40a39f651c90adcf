"""One browser for all tests of pages: Debian's chromium, driven by playwright."""

import shutil
from types import SimpleNamespace

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
ALL_DRAWN = "() => [...document.querySelectorAll('.plot')].every((plot) => plot.dataset.drawn)"


@pytest.fixture(scope="session")
def browser():
    """A headless browser."""
    if CHROMIUM is None:
        pytest.skip("needs chromium on the path")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield started
        started.close()


@pytest.fixture(scope="session")
def opened(browser):
    """Opens a page offline and waits for its figures; what goes wrong or out is in `faults`."""

    def open_page(path, fragment="", **settings):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **settings})
        context.set_offline(True)
        context.set_default_timeout(120_000)
        page, faults = context.new_page(), []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
        page.on("dialog", lambda dialog: (faults.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda made: faults.append(made.url) if made.url.startswith("http") else None)
        page.goto(f"{path.resolve().as_uri()}{fragment}")
        page.wait_for_function(ALL_DRAWN)
        return SimpleNamespace(page=page, faults=faults, close=context.close)

    return open_page
