"""A headless Chromium, and what a person does with it: looks, clicks, types and waits."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

LIMIT_S = 180.0  # a wait ends as soon as its state is there; a busy machine needs minutes
_COMMAND_S = 600  # a command takes long where training runs take all processors; the tests' own limit is shorter
DESKTOP, PHONE = (1360, 900), (390, 844)
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--lang=en",
)


def missing() -> str | None:
    """Why these tests can't run here; None if they can."""
    if find_spec("selenium") is None or find_spec("axe_playwright_python") is None:
        return "Selenium or axe-core is not installed: make test-studio installs them"
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        return "Chromium is not installed: apt-get install chromium chromium-driver"
    return None


def axe_script() -> str:
    """The source of axe-core, which finds faults of accessibility. It comes inside a package for Playwright."""
    spec = find_spec("axe_playwright_python")
    assert spec
    return (Path(str(spec.origin)).parent / "axe.min.js").read_text(encoding="utf-8")


class Browser:
    """One window of Chromium at the studio of a service."""

    def __init__(self, driver: Any, url: str) -> None:
        self.driver = driver
        self.url = url

    def open(self, where: str = "") -> None:
        """Loads the studio anew at a view, such as `gallery`."""
        self.driver.get("about:blank")
        self.driver.get(f"{self.url}/studio#{where}")

    def forget(self) -> None:
        """Drops what earlier tests left, such as the form of Make. A script that is opened as a page runs nothing."""
        self.driver.get(f"{self.url}/studio/theme.js")
        self.run("sessionStorage.clear(); localStorage.clear(); indexedDB.deleteDatabase('gridpress')")

    def all(self, css: str) -> list[Any]:
        from selenium.webdriver.common.by import By  # noqa: PLC0415 - not installed for all tests

        return list(self.driver.find_elements(By.CSS_SELECTOR, css))

    def one(self, css: str) -> Any:
        """The first visible element, once there is one."""
        return self.until(lambda: next((each for each in self.all(css) if each.is_displayed()), None), css)

    def named(self, css: str, text: str) -> Any:
        """The first visible element with a text or label, once there is one."""

        def found() -> Any:
            for each in self.all(css):
                if each.is_displayed() and text in (each.text, each.get_attribute("aria-label")):
                    return each
            return None

        return self.until(found, f"{css} {text!r}")

    def click(self, css: str, text: str | None = None) -> None:
        self.until(lambda: self._clicked(css, text), f"click on {css} {text!r}")

    def _clicked(self, css: str, text: str | None) -> bool:
        from selenium.common.exceptions import ElementClickInterceptedException  # noqa: PLC0415

        element = self.one(css) if text is None else self.named(css, text)
        try:
            element.click()
        except ElementClickInterceptedException:  # something lies over it, such as the button below the form
            self.run("arguments[0].scrollIntoView({ block: 'center' })", element)
            raise
        return True

    def type(self, css: str, text: str) -> None:
        field = self.one(css)
        field.clear()
        field.send_keys(text)

    def press(self, keys: str) -> None:
        """Types keys where the focus is. The focus may be on an element that can't be seen, such as a slider."""
        self.driver.switch_to.active_element.send_keys(keys)

    def text(self, css: str) -> str:
        return str(self.one(css).text)

    def run(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)

    def until(self, found: Callable[[], Any], what: str) -> Any:
        """What `found` returns, once it is true. Elements that are replaced while it looks are looked up again."""
        from selenium.common.exceptions import (  # noqa: PLC0415
            ElementClickInterceptedException,
            ElementNotInteractableException,
            StaleElementReferenceException,
        )
        from selenium.webdriver.support.ui import WebDriverWait  # noqa: PLC0415

        ignored = (StaleElementReferenceException, ElementClickInterceptedException, ElementNotInteractableException)
        wait = WebDriverWait(self.driver, LIMIT_S, poll_frequency=0.1, ignored_exceptions=ignored)
        return wait.until(lambda _: found(), f"{what}; errors: {self.errors()}")

    def errors(self) -> list[str]:
        """What Chromium's console complained about since the last call, such as scripts that the policy stopped."""
        return [str(entry["message"]) for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    def resize(self, size: tuple[int, int]) -> None:
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def prefer(self, scheme: str) -> None:
        """Light or dark, as a system would prefer it."""
        features = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", features)

    def faults(self) -> list[str]:
        """What axe-core finds wrong for people with other senses, as sentences."""
        self.run(axe_script())
        found = self.driver.execute_async_script("axe.run().then(arguments[0], (error) => arguments[0](String(error)))")
        assert isinstance(found, dict), found
        return [
            f"{fault['id']}: {fault['help']} at {node['target']}: {node.get('failureSummary', '')}"
            for fault in found["violations"]
            for node in fault["nodes"]
        ]


@contextmanager
def browsing(url: str) -> Iterator[Browser]:
    """A Chromium with an empty profile at the studio of a service."""
    from selenium.webdriver import Chrome, ChromeOptions, ChromeService  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="studio-profile-") as profile:
        options = ChromeOptions()
        options.binary_location = str(shutil.which("chromium"))
        for flag in (*_FLAGS, f"--user-data-dir={profile}", f"--window-size={DESKTOP[0]},{DESKTOP[1]}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        driver = Chrome(options, ChromeService(str(shutil.which("chromedriver"))))
        driver.command_executor.client_config.timeout = _COMMAND_S
        try:
            driver.set_script_timeout(LIMIT_S)
            yield Browser(driver, url)
        finally:
            driver.quit()
