"""The views Account and Operate, in a service with two tenants and an operator."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config

from cli.stack.secrets import secret
from cli.stack.servers.seaweedfs import SeaweedFS
from tests.story.conftest import started, wait_until
from tests.studio.browser import DESKTOP, PHONE, Browser, browsing

_SMALL = {"size": "256x256", "num_inference_steps": 5}
_ENVIRONMENT = {
    "GRIDPRESS_API_PROCESSES": "1",
    "GRIDPRESS_EGRESS_ALLOW": "127.0.0.1",
    "GRIDPRESS_BUCKET_PATIENCE_S": "1",
}
_KEYS = (
    ("acme", "acme", ["admin"]),
    ("viewer", "acme", ["render", "read"]),
    ("globex", "globex", ["admin"]),
)


@dataclass(frozen=True)
class Platform:
    """A service, API keys of it by who has them, and its data folder."""

    url: str
    keys: dict[str, str]
    folder: Path

    def ask(self, who: str, method: str, path: str, **fields: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.keys[who]}", "Prefer": "wait=30"}
        return httpx.request(method, self.url + path, headers=headers, timeout=60, trust_env=False, **fields)

    def make(self, who: str, prompt: str, **fields: Any) -> dict[str, Any]:
        job = self.ask(who, "POST", "/v1/jobs", json={"prompt": prompt, **_SMALL, **fields}).json()
        assert job["status"] == "succeeded", job
        return dict(job)

    def copy_of(self, who: str, job_id: str) -> dict[str, Any]:
        return dict(self.ask(who, "GET", f"/v1/jobs/{job_id}").json()["bucket_copy"])


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("platform")
    with started(folder, _ENVIRONMENT) as url:
        options = ("--tenant", "platform", "--scope", "admin", "--scope", "operator", "--data", str(folder))
        command = (sys.executable, "-P", "-m", "cli.main", "keys", "create", *options)
        first = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        found = Platform(url, {"operator": first}, folder)
        wait_until(lambda: found.ask("operator", "GET", "/v1/jobs").status_code == 200)
        for who, tenant, scopes in _KEYS:
            asked = {"tenant": tenant, "name": who, "scopes": scopes}
            found.keys[who] = found.ask("operator", "POST", "/v1/keys", json=asked).json()["key"]
        found.make("acme", "acme's kite", n=2)
        yield found


@pytest.fixture(scope="module")
def chromium(platform: Platform) -> Iterator[Browser]:
    with browsing(platform.url) as found:
        yield found


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    chromium.resize(DESKTOP)
    chromium.prefer("light")
    chromium.errors()
    yield chromium
    assert [error for error in chromium.errors() if "status of 4" not in error] == []


def test_a_tenant_sees_its_limits_and_usage_and_manages_its_keys(browser: Browser, platform: Platform) -> None:
    platform.ask("operator", "PATCH", "/v1/tenants/acme/limits", json={"pictures_per_month": 10})
    enter(browser, platform, "acme", "account")
    browser.until(lambda: "2 of 10" in browser.text("[data-limit=pictures_per_month]"), "the budget")
    assert "8 left" in browser.text("[data-limit=pictures_per_month]")
    browser.until(lambda: "2 in total" in browser.one(".chart svg").get_attribute("aria-label"), "the chart")
    browser.click("summary", "The numbers as a table")
    assert browser.text(".card tbody td.num") == "2"
    for scheme, size in (("light", DESKTOP), ("dark", PHONE)):
        browser.resize(size)
        browser.prefer(scheme)
        check_page(browser)
    browser.resize(DESKTOP)

    browser.type("#key-name", "website")
    browser.click(".new-key button", "Create")
    text = browser.text(".notice code.secret")
    assert httpx.get(f"{platform.url}/v1/jobs", headers={"Authorization": f"Bearer {text}"}).status_code == 200
    browser.click("button", "Rotate: website")
    choose(browser, "#overlap", "now")
    browser.click("dialog button", "Rotate")
    browser.until(lambda: browser.text(".notice code.secret") != text, "another key")
    newer = browser.text(".notice code.secret")
    browser.click("button", "Done")
    assert newer not in browser.run("return document.body.innerHTML")
    browser.click("button", "Revoke: website")
    browser.click("dialog button", "Revoke")
    browser.until(lambda: not browser.all("button[aria-label='Revoke: website']"), "no such key")
    assert {each["status"] for each in keys_named(platform, "website")} <= {"revoked", "expired"}


def test_an_operator_gives_a_tenant_a_bucket_which_no_other_tenant_sees(browser: Browser, platform: Platform) -> None:
    s3 = stores_of(platform)
    s3.create_bucket(Bucket="globex-pictures")
    enter(browser, platform, "operator", "operate/globex")
    browser.click("summary", "Set a bucket")
    fields = {
        "bucket": "absent",
        "prefix": "studio",
        "endpoint_url": s3.meta.endpoint_url,
        "access_key": secret(platform.folder, "s3_access_key"),
        "secret_key": (hidden := secret(platform.folder, "s3_secret_key")),
    }
    for name, value in fields.items():
        browser.type(f"#bucket-{name}", value)
    browser.click(".bucket button", "Check and save")
    browser.until(lambda: "absent" in browser.text(".bucket [role=alert]"), "the reason")
    browser.one("#bucket-bucket[aria-invalid=true]")
    check_page(browser)
    browser.type("#bucket-bucket", "globex-pictures")
    browser.click(".bucket button", "Check and save")
    browser.until(lambda: "s3://globex-pictures/studio/" in browser.text(".bucket .facts"), "the bucket")
    assert browser.one("#bucket-secret_key").get_attribute("value") == ""
    assert hidden not in browser.run("return document.body.innerHTML")
    browser.open("operate")
    browser.until(lambda: "own bucket" in browser.text("[data-tenant=globex]"), "the mark")
    assert "own bucket" not in browser.text("[data-tenant=acme]")

    job = platform.make("globex", "globex's kite")
    wait_until(lambda: platform.copy_of("globex", job["id"])["status"] == "copied")
    enter(browser, platform, "globex", f"gallery/{job['id']}/0")
    browser.until(lambda: f"s3://globex-pictures/studio/jobs/{job['id']}/" in browser.text("dialog .facts"), "the copy")
    for who in ("acme", "viewer"):
        enter(browser, platform, who, "account")
        browser.until(lambda: "No bucket is set" in browser.text(".bucket"), "no bucket")
        assert "globex" not in browser.text("body")
        assert not browser.all(".bucket form")


def test_a_tenant_sees_copies_that_its_bucket_refuses(browser: Browser, platform: Platform) -> None:
    s3 = stores_of(platform)
    s3.create_bucket(Bucket="leaking")
    access = {
        "access_key": secret(platform.folder, "s3_access_key"),
        "secret_key": secret(platform.folder, "s3_secret_key"),
    }
    asked = {"bucket": "leaking", "endpoint_url": s3.meta.endpoint_url, **access}
    assert platform.ask("operator", "PUT", "/v1/tenants/globex/bucket", json=asked).status_code == 200
    s3.delete_bucket(Bucket="leaking")
    job = platform.make("globex", "not copied")
    wait_until(lambda: platform.copy_of("globex", job["id"])["status"] == "failed")
    why = platform.copy_of("globex", job["id"])["error"]
    enter(browser, platform, "globex", "account")
    browser.until(lambda: "1 refused copy" in browser.text(".bucket"), "the copy")
    assert browser.text(".bucket .plain li").splitlines() == ["not copied", why]
    for scheme, size in (("light", DESKTOP), ("dark", PHONE)):
        browser.resize(size)
        browser.prefer(scheme)
        check_page(browser)
    browser.resize(DESKTOP)
    browser.click(".bucket .plain a")
    browser.until(lambda: f"not copied: {why}" in browser.text("dialog .facts"), "the reason")

    enter(browser, platform, "operator", "operate/globex")
    browser.click("summary", "Change the bucket")
    browser.click(".bucket button", "Remove")
    browser.click("dialog button", "Remove")
    browser.until(lambda: "No bucket is set" in browser.text(".bucket"), "no bucket")
    assert platform.ask("operator", "GET", "/v1/tenants/globex/bucket").json()["bucket"] is None


def test_an_erasure_needs_the_name_of_the_tenant(browser: Browser, platform: Platform) -> None:
    enter(browser, platform, "acme", "account")
    browser.click("button", "Erase all data…")
    assert not browser.named("dialog button", "Erase for good").is_enabled()
    browser.type("#erase-name", "acm")
    assert not browser.named("dialog button", "Erase for good").is_enabled()
    browser.press("e")
    assert browser.faults() == []
    browser.click("dialog button", "Erase for good")
    browser.until(lambda: "is being erased" in browser.text(".card .notice"), "the erasure")
    assert platform.ask("acme", "GET", "/v1/tenants/acme/data").json()["settings"] is False


def test_an_operator_pauses_drains_and_limits(browser: Browser, platform: Platform) -> None:
    enter(browser, platform, "operator", "operate")
    browser.click("[data-worker^=dit] button")
    browser.type("#drain-reason", "too hot")
    browser.click("dialog button", "Drain")
    browser.until(lambda: "too hot" in browser.text("[data-worker^=dit]"), "the drain")
    browser.click("[data-worker^=dit] button")
    browser.until(lambda: "too hot" not in browser.text("[data-worker^=dit]"), "its end")
    choose(browser, "#pause-kind", "tenant")
    browser.type("#pause-name", "acme")
    browser.click("form button", "Pause")
    browser.one("[data-pause='tenant/acme']")
    for scheme, size in (("light", DESKTOP), ("dark", PHONE)):
        browser.resize(size)
        browser.prefer(scheme)
        check_page(browser)
    browser.resize(DESKTOP)
    browser.click("[data-pause='tenant/acme'] button")
    browser.until(lambda: not browser.all("[data-pause='tenant/acme']"), "nothing is paused")
    assert platform.ask("operator", "GET", "/v1/pauses").json()["data"] == []

    browser.click("a", "acme")
    browser.until(lambda: browser.one("#limit-weight").is_enabled(), "the limits")
    browser.type("#limit-weight", "3")
    browser.click("form button", "Save")
    browser.until(lambda: [each.text for each in browser.all(".toast")] == ["Saved"], "the message")
    assert limits_of_acme(platform)["weight"] == 3
    check_page(browser)


def test_an_operator_sees_what_each_tenant_has(browser: Browser, platform: Platform) -> None:
    platform.ask("operator", "PUT", "/v1/pauses/tenant/initech", json={"reason": "a test"})
    platform.ask("operator", "PATCH", "/v1/tenants/initech/limits", json={"weight": 2})
    enter(browser, platform, "operator", "operate")
    browser.until(lambda: "paused" in browser.text("[data-tenant=initech]"), "the pause")
    assert "limits" in browser.text("[data-tenant=initech]")
    listed = {each["id"]: each for each in platform.ask("operator", "GET", "/v1/tenants?limit=100").json()["data"]}
    shown = [row.get_attribute("data-tenant") for row in browser.all("[data-tenant]")]
    assert shown == sorted(listed)
    keys = {row.get_attribute("data-tenant"): row.text.split()[-1] for row in browser.all("[data-tenant]")}
    assert keys == {name: str(tenant["num_keys"]) for name, tenant in listed.items()}
    platform.ask("operator", "DELETE", "/v1/pauses/tenant/initech")


def test_a_key_without_admin_sees_no_more_than_its_scopes_allow(browser: Browser, platform: Platform) -> None:
    enter(browser, platform, "viewer", "operate")  # which leads to Make
    browser.one("#prompt")
    assert not browser.all(".tabs a[href='#operate']")
    browser.click(".tabs a[href='#account']")
    browser.one("[data-limit=requests]")
    headlines = {each.text for each in browser.all("h2")}
    assert headlines == {"Usage", "Budget of this month", "Limits", "Bucket", "Data"}
    assert not browser.all("button.danger")
    check_page(browser)


def enter(browser: Browser, platform: Platform, who: str, view: str) -> None:
    browser.driver.delete_all_cookies()
    browser.open(view)
    browser.type("#key", platform.keys[who])
    browser.click(".sign-in button", "Sign in")
    browser.one("#content h1, #prompt")


def choose(browser: Browser, css: str, value: str) -> None:
    change = "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('change'))"
    browser.run(change, browser.one(css), value)


def check_page(browser: Browser) -> None:
    """The page is accessible, fits into the window, and has a text for each of its words."""
    browser.one("#content h1")
    browser.until(lambda: not browser.all(".toast"), "no message, which lies outside of all landmarks")
    assert browser.faults() == []
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
    names = "account|limits|usage|keys|bucket|data|audit|operate|fleet|pauses|tenants|common|status"
    assert browser.run(f"return document.body.innerText.match(/\\b(?:{names})\\.\\w+\\.?\\w*/g)") is None


def stores_of(platform: Platform) -> Any:
    """A client of the service's embedded S3 server, in which tests make buckets of tenants."""
    return boto3.client(
        "s3",
        endpoint_url=SeaweedFS.running_url(platform.folder),
        region_name="us-east-1",
        aws_access_key_id=secret(platform.folder, "s3_access_key"),
        aws_secret_access_key=secret(platform.folder, "s3_secret_key"),
        config=Config(s3={"addressing_style": "path"}, proxies={}),
    )


def keys_named(platform: Platform, name: str) -> list[dict[str, Any]]:
    found = platform.ask("acme", "GET", "/v1/keys?limit=100").json()["data"]
    return [each for each in found if each["name"] == name]


def limits_of_acme(platform: Platform) -> dict[str, Any]:
    return dict(platform.ask("operator", "GET", "/v1/tenants/acme/limits").json())
