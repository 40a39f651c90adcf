"""The report of 2,000 prompts in headless Chromium: size, and what the browser computes until it can be used.

    python bench/bench_report.py

Until then the page is parsed, its first figure drawn and its table ready; other figures follow when the
browser is idle. Seconds are the main thread's processor time: other work on the machine changes them little.
"""

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from acute.report.page import write_page

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "report")]

import report_worlds as worlds  # noqa: E402
from tests.report.conftest import CHROMIUM, QUIET  # noqa: E402

PROMPTS = 2000
TIMES = 5
FIRST_FIGURE = "() => document.querySelector('.plot').dataset.drawn"
NEVER_IDLE = "window.requestIdleCallback = () => {}"


def opened(browser, page):
    """Main-thread seconds and nodes of one opening in a fresh profile."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    tab.add_init_script(NEVER_IDLE)
    meter = context.new_cdp_session(tab)
    meter.send("Performance.enable", {"timeDomain": "threadTicks"})
    tab.goto(page.as_uri(), timeout=120_000)
    tab.wait_for_function(FIRST_FIGURE, timeout=120_000)
    found = {row["name"]: row["value"] for row in meter.send("Performance.getMetrics")["metrics"]}
    context.close()
    return found["TaskDuration"], int(found["Nodes"])


def main():
    """Print one JSON object."""
    from playwright.sync_api import sync_playwright

    if CHROMIUM is None:
        print("not measured: wanted chromium on the path", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        run = worlds.with_maps(Path(folder), worlds.many(PROMPTS))
        started = time.process_time()
        page = write_page(run)
        writing = time.process_time() - started
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        opening = [opened(browser, page) for _ in range(TIMES)]
        browser.close()
        size = page.stat().st_size
    seconds = [each for each, _ in opening]
    print(
        json.dumps(
            {
                "prompts": PROMPTS,
                "megabytes": round(size / 1e6, 1),
                "writing_cpu_seconds": round(writing, 2),
                "until_usable_cpu_seconds": {
                    "median": round(statistics.median(seconds), 2),
                    "all": [round(each, 2) for each in seconds],
                },
                "nodes": opening[0][1],
            }
        )
    )


if __name__ == "__main__":
    main()
