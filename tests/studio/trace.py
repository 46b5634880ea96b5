"""Chromium's own trace: how much processor time each task of the page took, whatever else the machine does."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.studio.browser import Browser

_CATEGORIES = ["toplevel", "devtools.timeline"]
_TASK = "ThreadControllerImpl::RunTask"
_PAGE = ("FunctionCall", "FireAnimationFrame")  # events that only threads with scripts have
_LIMIT_S = 300.0


class Trace:
    """What a trace recorded. It is whole once the `with` block of `tracing` has ended."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def slowest_ms(self) -> float:
        """The processor time of the page's longest task, with its scripts, styles and layout."""
        threads = {(each["pid"], each["tid"]) for each in self.events if each["name"] in _PAGE}
        tasks = [each for each in self.events if each["name"] == _TASK and (each["pid"], each["tid"]) in threads]
        return max(float(each.get("tdur", 0)) for each in tasks) / 1000


@contextmanager
def tracing(browser: Browser) -> Iterator[Trace]:
    """Records a trace while the `with` block runs."""
    from websocket import create_connection  # noqa: PLC0415 - comes with Selenium

    address = browser.driver.capabilities["goog:chromeOptions"]["debuggerAddress"]
    about = httpx.get(f"http://{address}/json/version", trust_env=False).json()
    socket = create_connection(about["webSocketDebuggerUrl"], suppress_origin=True, timeout=_LIMIT_S)
    config = {"includedCategories": _CATEGORIES, "excludedCategories": ["*"]}
    _send(socket, 1, "Tracing.start", {"transferMode": "ReportEvents", "traceConfig": config})
    found = Trace()
    try:
        yield found
        _send(socket, 2, "Tracing.end", {})
        while (message := json.loads(socket.recv())).get("method") != "Tracing.tracingComplete":
            if message.get("method") == "Tracing.dataCollected":
                found.events += message["params"]["value"]
    finally:
        socket.close()


def _send(socket: Any, number: int, method: str, params: dict[str, object]) -> None:
    socket.send(json.dumps({"id": number, "method": method, "params": params}))
