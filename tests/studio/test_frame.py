"""The frame around all views: themes, keys, sizes, accessibility, and what the page asks the service for."""

import pytest

from tests.studio.browser import DESKTOP, PHONE, Browser
from tests.studio.conftest import Api

VIEWS = ["make", "gallery", "queue", "batches", "webhooks", "account", "operate"]
GROUND = "return getComputedStyle(document.documentElement).backgroundColor"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_every_view_is_accessible_and_fits(browser: Browser, api: Api, scheme: str, size: tuple[int, int]) -> None:
    api.made("for every view")
    browser.resize(size)
    browser.prefer(scheme)
    for view in VIEWS:
        browser.open(view)
        browser.one(f'.tabs a[href="#{view}"][aria-current=page]')
        browser.one("#content > *")
        assert browser.faults() == [], view
        assert browser.run("return document.documentElement.scrollWidth <= innerWidth"), view


def test_the_switch_goes_before_the_system_and_stays(browser: Browser) -> None:
    browser.prefer("dark")
    browser.open("make")
    browser.one("#prompt")
    dark = browser.run(GROUND)
    browser.click('button[aria-label^="Theme"]')
    assert browser.run("return document.documentElement.dataset.theme") == "light"
    assert browser.run(GROUND) != dark
    browser.open("gallery")
    browser.one(".filters")
    assert browser.run("return document.documentElement.dataset.theme") == "light"
    browser.run("localStorage.clear()")


def test_the_first_tab_leads_to_the_content(browser: Browser) -> None:
    browser.open("make")
    browser.one("#prompt")
    browser.one("body").send_keys("\ue004")
    assert browser.run("return document.activeElement.textContent") == "Skip to the content"
    browser.driver.switch_to.active_element.send_keys("\ue007")
    assert browser.run("return document.activeElement.id") == "content"


def test_one_open_studio_costs_one_stream(browser: Browser, api: Api) -> None:
    browser.open("make")
    browser.one(".link-state[data-state=open]")
    for view in VIEWS:
        browser.click(f'.tabs a[href="#{view}"]')
        browser.one("#content > *")
    names = browser.run("return performance.getEntriesByType('resource').map((each) => each.name)")
    assert sum(name.endswith("/v1/events") for name in names) <= 1
    assert all(name.startswith(browser.url) for name in names)


def test_a_broken_stream_is_resumed_and_nothing_is_missed(browser: Browser, api: Api) -> None:
    browser.open("gallery")
    browser.one(".link-state[data-state=open]")
    offline = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    browser.driver.execute_cdp_cmd("Network.enable", {})
    browser.driver.execute_cdp_cmd("Network.emulateNetworkConditions", {"offline": True, **offline})
    browser.run("dispatchEvent(new Event('offline'))")
    job = api.made("made during the break")
    browser.driver.execute_cdp_cmd("Network.emulateNetworkConditions", {"offline": False, **offline})
    browser.one(".link-state[data-state=open]")
    browser.one(f'.grid .tile a[href="#gallery/{job["id"]}/0"]')
    browser.errors()  # what failed while there was no network
