"""Lets one test run on both clients: makes an async client look like a sync one."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx

from gridpress.client import AsyncClient, Client

KINDS = ("sync", "async")


class Blocking:
    """Has the methods of an async object, and waits for each of them."""

    def __init__(self, target: Any, runner: asyncio.Runner) -> None:
        self._target = target
        self._runner = runner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if callable(found):
            return lambda *given, **named: self._finish(found(*given, **named))
        return Blocking(found, self._runner)

    def _finish(self, value: Any) -> Any:
        if inspect.isawaitable(value):
            return self._runner.run(_awaited(value))
        return self._entries(value) if isinstance(value, AsyncIterator) else value

    def _entries(self, values: AsyncIterator[Any]) -> Iterator[Any]:
        try:
            while True:
                try:
                    yield self._runner.run(_awaited(anext(values)))
                except StopAsyncIteration:
                    return
        finally:
            self._runner.run(_awaited(values.aclose()))  # type: ignore[attr-defined]


class Faulty(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Sends requests to a real service, and does what a test says with the responses."""

    def __init__(self, spoil: Any) -> None:
        self._spoil = spoil
        self._sync, self._async = httpx.HTTPTransport(), httpx.AsyncHTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._spoil(request, self._sync.handle_request(request))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self._spoil(request, await self._async.handle_async_request(request))

    def close(self) -> None:
        self._sync.close()

    async def aclose(self) -> None:
        await self._async.aclose()


def make(kind: str, url: str, runner: asyncio.Runner, **options: Any) -> Any:
    """Returns a client of this kind. Close it at the end."""
    return Client(url, **options) if kind == "sync" else Blocking(AsyncClient(url, **options), runner)


async def _awaited(value: Any) -> Any:
    return await value
