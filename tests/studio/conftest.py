"""A whole service with simulated engines, without API keys, and one Chromium for all tests."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.story.conftest import started
from tests.studio.browser import DESKTOP, Browser, browsing, missing

Json = dict[str, Any]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here, why = Path(__file__).parent, missing()
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.studio)
            if why:
                item.add_marker(pytest.mark.skip(reason=why))


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    environment = {"GRIDPRESS_API_PROCESSES": "1", "GRIDPRESS_EGRESS_ALLOW": "127.0.0.1"}
    with started(tmp_path_factory.mktemp("studio"), environment) as address:
        yield address


@pytest.fixture(scope="session")
def chromium(url: str) -> Iterator[Browser]:
    with browsing(url) as found:
        yield found


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """Chromium with a large, light window and an empty form. The test fails if the console had an error."""
    chromium.forget()
    chromium.resize(DESKTOP)
    chromium.prefer("light")
    chromium.errors()
    yield chromium
    found = [error for error in chromium.errors() if "status of 4" not in error]  # a response that a test provokes
    assert found == []


class Api:
    """The same service, as programs see it."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=60, trust_env=False)

    def made(self, prompt: str = "a red kite", **fields: object) -> Json:
        """A job that has ended."""
        asked = {"prompt": prompt, "size": "256x256", "num_inference_steps": 5, **fields}
        job = self.http.post("/v1/jobs", json=asked, headers={"Prefer": "wait=30"}).json()
        assert job["status"] == "succeeded", job
        return dict(job)

    def newest(self) -> Json:
        """The tenant's newest job."""
        return dict(self.get("/v1/jobs?limit=1")["data"][0])

    def get(self, path: str) -> Json:
        return dict(self.http.get(path).raise_for_status().json())


@pytest.fixture(scope="session")
def api(url: str) -> Iterator[Api]:
    found = Api(url)
    with found.http:
        yield found
