"""Measures how fast the studio opens beside an idle service: `python -m tests.studio.first_paint`.

Each load has an empty cache. It prints the milliseconds until the first paint, and until the form can be used.
"""

import json
import os
import statistics
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.story.conftest import started
from tests.studio.browser import Browser, browsing

LOADS = 10
TIMES = """
const paints = performance.getEntriesByName("first-contentful-paint");
return { paint: paints[0]?.startTime ?? null, usable: window.usable ?? null };
"""
# Runs before the page's own scripts: notes when the field of the prompt is there.
WATCH = """
new MutationObserver((_, observer) => {
  if (!document.querySelector("#prompt")) return;
  window.usable = performance.now();
  observer.disconnect();
}).observe(document, { subtree: true, childList: true });
"""


def main() -> None:
    """Starts a service with simulated engines, loads the page ten times, and prints all times with their medians."""
    environment = {"GRIDPRESS_API_PROCESSES": "1"}
    with TemporaryDirectory() as folder, started(Path(folder), environment) as url, browsing(url) as browser:
        browser.driver.execute_cdp_cmd("Network.enable", {})
        browser.driver.execute_cdp_cmd("Network.setCacheDisabled", {"cacheDisabled": True})
        browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
        loads = [load(browser) for _ in range(LOADS + 1)][1:]  # the first one also starts Chromium's processes
    print(json.dumps({"load_average": os.getloadavg()[0], "num_cores": os.cpu_count(), **summary(loads)}, indent=2))


def load(browser: Browser) -> dict[str, float]:
    browser.open("make")
    found = browser.until(lambda: (times := browser.run(TIMES))["paint"] and times["usable"] and times, "the paint")
    return {name: float(value) for name, value in found.items()}


def summary(loads: list[dict[str, float]]) -> dict[str, object]:
    all_ms = {name: [round(each[name]) for each in loads] for name in ("paint", "usable")}
    return {name: {"median_ms": statistics.median(times), "all_ms": times} for name, times in all_ms.items()}


if __name__ == "__main__":
    main()
