"""Does the I/O of the sync client: sends calls, sleeps, and reads streams. `async_transport` is its twin."""

from collections.abc import Iterator
from time import sleep
from typing import Any, TypeVar

import httpx

from gridpress.client.calls.call import Call
from gridpress.client.calls.pages import Page, next_call
from gridpress.client.flows import Flow, Limits, Pause, send
from gridpress.client.following import SILENCE_S, Following
from gridpress.client.sse import Event

Result = TypeVar("Result")
Item = TypeVar("Item")


class Transport:
    """Runs flows over an `httpx.Client`."""

    def __init__(self, http: httpx.Client, limits: Limits) -> None:
        self._http = http
        self.limits = limits

    def close(self) -> None:
        self._http.close()

    def send(self, call: Call[Result], key: str | None = None) -> Result:
        """Sends a call with retries, and returns its result."""
        return self.run(send(self.limits, call, key))

    def run(self, flow: Flow[Result]) -> Result:
        """Does what a flow asks for, until it returns. Returns its result."""
        try:
            step = next(flow)
            while True:
                try:
                    response = self._do(step)
                except (httpx.RequestError, httpx.InvalidURL) as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(response)
        except StopIteration as end:
            result: Result = end.value
            return result

    def pages(self, call: Call[Any]) -> Iterator[Any]:
        """Yields the entries of all pages of a list. Reads a page only when its first entry is asked for."""
        following: Call[Any] | None = call
        while following:
            page: Page[Any] = self.send(following)
            yield from page.data
            following = next_call(following, page)

    def stream(self, path: str, following: Following) -> Iterator[Event]:
        """Yields the events of a stream until it is over. Opens it again after a break."""
        timeout = httpx.Timeout(self.limits.timeout_s, read=SILENCE_S)
        while True:
            try:
                with self._http.stream("GET", path, headers=dict(following.headers), timeout=timeout) as response:
                    if response.is_error:
                        response.read()
                    following.opened(response)
                    for piece in response.iter_bytes():
                        yield from following.feed(piece)
                    following.closed()
            except httpx.RequestError as error:
                following.broke(error)
            if following.is_over:
                return
            sleep(following.pause_s)

    def _do(self, step: Call[Any] | Pause) -> httpx.Response | None:
        if isinstance(step, Pause):
            sleep(step.seconds)
            return None
        timeout = self.limits.timeout_s + step.held_s
        with step.arguments() as arguments:
            return self._http.request(step.method, step.path, timeout=timeout, **arguments)
