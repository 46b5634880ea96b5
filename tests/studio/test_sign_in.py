"""Signing in with an API key, in a service that has one."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.api.pictures import png
from tests.story.conftest import started, wait_until
from tests.studio.browser import Browser, browsing


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The address of a service, and an API key of it."""
    folder = tmp_path_factory.mktemp("guarded")
    with started(folder, {"GRIDPRESS_API_PROCESSES": "1"}) as url:
        command = (sys.executable, "-P", "-m", "cli.main", "keys", "create", "--tenant", "acme", "--data", str(folder))
        key = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        wait_until(lambda: httpx.get(f"{url}/v1/jobs", trust_env=False).status_code == 401)
        yield url, key


@pytest.fixture(scope="module")
def browser(guarded: tuple[str, str]) -> Iterator[Browser]:
    with browsing(guarded[0]) as found:
        yield found


def test_a_person_signs_in_makes_a_picture_and_signs_out(browser: Browser, guarded: tuple[str, str]) -> None:
    browser.open("make")
    browser.type("#key", "gp_wrong")
    browser.click(".sign-in button", "Sign in")
    browser.until(lambda: "unknown, revoked or expired" in browser.text("#why"), "the reason")
    assert browser.faults() == []
    browser.type("#key", guarded[1])
    browser.click(".sign-in button", "Sign in")
    browser.type("#prompt", "a picture of acme")
    browser.run("document.querySelector('input[name=side][value=\"256\"]').click()")
    browser.click(".send button")
    picture = browser.one(".run .frame[href] img")
    browser.until(lambda: browser.run("return arguments[0].naturalWidth", picture) == 256, "the thumbnail")
    stored = browser.run("return document.cookie + JSON.stringify([localStorage, sessionStorage])")
    assert guarded[1] not in stored
    assert "gridpress_session" not in stored
    [cookie] = [each for each in browser.driver.get_cookies() if each["name"] == "gridpress_session"]
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert browser.run("return fetch('/v1/jobs', { method: 'POST' }).then((answer) => answer.status)") == 403
    browser.click("button", "Sign out")
    browser.one("#key")
    assert browser.run("return fetch('/v1/jobs').then((answer) => answer.status)") == 401


KEPT = """
const done = arguments[0];
const opening = indexedDB.open("gridpress", 1);
opening.onsuccess = () => {
  const reading = opening.result.transaction("forms").objectStore("forms").getAll();
  reading.onsuccess = () => {
    opening.result.close();
    done([reading.result.map((form) => form.tenant), sessionStorage.getItem("gridpress.make")]);
  };
};
"""


def test_signing_out_drops_the_form_and_its_pictures(
    browser: Browser, guarded: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / "secret.png").write_bytes(png(64, 64))
    browser.open("make")
    browser.type("#key", guarded[1])
    browser.click(".sign-in button", "Sign in")
    browser.type("#prompt", "a secret of acme")
    browser.all("#files")[0].send_keys(str(tmp_path / "secret.png"))
    browser.until(lambda: browser.driver.execute_async_script(KEPT)[0] == ["acme"], "a kept picture")
    browser.until(lambda: "a secret of acme" in browser.driver.execute_async_script(KEPT)[1], "a kept prompt")
    browser.driver.refresh()
    browser.one(".inputs img")
    browser.click("button", "Sign out")
    browser.one("#key")
    assert browser.driver.execute_async_script(KEPT) == [[], None]


def test_what_another_tenant_left_in_the_browser_is_dropped(browser: Browser, guarded: tuple[str, str]) -> None:
    browser.open("make")
    browser.one("#key")
    browser.run(
        "sessionStorage.setItem('gridpress.make', JSON.stringify({ tenant: 'other', fields: { prompt: 'theirs' } }));"
        "sessionStorage.setItem('gridpress.tab', 'here');"
        "indexedDB.open('gridpress', 1).onsuccess = ({ target }) => target.result.transaction('forms', 'readwrite')"
        ".objectStore('forms').put({ tenant: 'other', images: ['data:,'], at: Date.now() }, 'here')"
    )
    browser.until(lambda: browser.driver.execute_async_script(KEPT)[0] == ["other"], "a picture of another tenant")
    browser.type("#key", guarded[1])
    browser.click(".sign-in button", "Sign in")
    browser.until(lambda: browser.driver.execute_async_script(KEPT)[0] == [], "nothing of the other tenant")
    assert browser.one("#prompt").get_attribute("value") == ""
    assert browser.all(".inputs img") == []
    browser.click("button", "Sign out")
    browser.one("#key")


def test_the_page_asks_again_when_the_session_has_ended(browser: Browser, guarded: tuple[str, str]) -> None:
    browser.open("gallery")
    browser.type("#key", guarded[1])
    browser.click(".sign-in button", "Sign in")
    browser.one(".filters")
    browser.driver.delete_all_cookies()
    browser.type("#by-prompt", "x")
    browser.one("#key")
