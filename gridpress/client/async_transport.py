"""Does the I/O of the async client: sends calls, sleeps, and reads streams. `sync_transport` is its twin."""

from asyncio import sleep
from collections.abc import AsyncIterator
from typing import Any, TypeVar

import httpx

from gridpress.client.calls.call import Call
from gridpress.client.calls.pages import Page, next_call
from gridpress.client.flows import Flow, Limits, Pause, send
from gridpress.client.following import SILENCE_S, Following
from gridpress.client.sse import Event

Result = TypeVar("Result")
Item = TypeVar("Item")


class AsyncTransport:
    """Runs flows over an `httpx.AsyncClient`."""

    def __init__(self, http: httpx.AsyncClient, limits: Limits) -> None:
        self._http = http
        self.limits = limits

    async def close(self) -> None:
        await self._http.aclose()

    async def send(self, call: Call[Result], key: str | None = None) -> Result:
        """Sends a call with retries, and returns its result."""
        return await self.run(send(self.limits, call, key))

    async def run(self, flow: Flow[Result]) -> Result:
        """Does what a flow asks for, until it returns. Returns its result."""
        try:
            step = next(flow)
            while True:
                try:
                    response = await self._do(step)
                except (httpx.RequestError, httpx.InvalidURL) as error:
                    step = flow.throw(error)
                else:
                    step = flow.send(response)
        except StopIteration as end:
            result: Result = end.value
            return result

    async def pages(self, call: Call[Any]) -> AsyncIterator[Any]:
        """Yields the entries of all pages of a list. Reads a page only when its first entry is asked for."""
        following: Call[Any] | None = call
        while following:
            page: Page[Any] = await self.send(following)
            for entry in page.data:
                yield entry
            following = next_call(following, page)

    async def stream(self, path: str, following: Following) -> AsyncIterator[Event]:
        """Yields the events of a stream until it is over. Opens it again after a break."""
        timeout = httpx.Timeout(self.limits.timeout_s, read=SILENCE_S)
        while True:
            try:
                async with self._http.stream("GET", path, headers=dict(following.headers), timeout=timeout) as response:
                    if response.is_error:
                        await response.aread()
                    following.opened(response)
                    async for piece in response.aiter_bytes():
                        for event in following.feed(piece):
                            yield event
                    following.closed()
            except httpx.RequestError as error:
                following.broke(error)
            if following.is_over:
                return
            await sleep(following.pause_s)

    async def _do(self, step: Call[Any] | Pause) -> httpx.Response | None:
        if isinstance(step, Pause):
            await sleep(step.seconds)
            return None
        timeout = self.limits.timeout_s + step.held_s
        with step.arguments() as arguments:
            return await self._http.request(step.method, step.path, timeout=timeout, **arguments)
