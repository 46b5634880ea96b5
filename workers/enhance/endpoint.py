"""Calls an OpenAI-compatible chat endpoint, with limits of time and response size. Does not interpret the response."""

import asyncio
import json
import threading
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import httpx

from shared.process.background import Background
from workers.enhance.errors import NotEnhanced
from workers.enhance.instructions import Message

# A prompt has a few KB. The reasoning text that some servers send with it has a few hundred KB.
_MAX_RESPONSE_BYTES = 1024 * 1024
_TRY_AGAIN = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)


class ChatEndpoint:
    """Calls the chat endpoint that rewrites prompts; thread-safe.

    All calls run on one event loop, so that a timeout can end a call at any point. `fields` are added to the body of
    every request. Egress rules do not apply, because the operator of the service sets the endpoint's URL.
    """

    def __init__(self, base_url: str, api_key: str | None, fields: Mapping[str, Any], timeout_s: float) -> None:
        self._url = f"{base_url.rstrip('/')}/chat/completions"
        self._fields = fields
        self._timeout_s = timeout_s
        headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        # Compression is declined, because a small compressed body could expand a thousandfold before it is counted.
        self._client = httpx.AsyncClient(headers={**headers, "accept-encoding": "identity"}, timeout=timeout_s)
        self._loop = asyncio.new_event_loop()
        self._closed = threading.Event()
        self._thread = Background("chat-endpoint", self._loop.run_forever, self._closed.is_set)
        self._thread.start()

    def ask(self, messages: Sequence[Message]) -> bytes:
        """Sends the chat messages and returns the body of a 2xx response.

        Raises `NotEnhanced` for any other outcome.
        """
        return asyncio.run_coroutine_threadsafe(self._ask(messages), self._loop).result()

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._client.aclose(), self._loop).result()
        self._closed.set()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _ask(self, messages: Sequence[Message]) -> bytes:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._post({**self._fields, "messages": messages, "stream": False})
        except (TimeoutError, httpx.TimeoutException) as error:
            # A timeout is final, because the caller has waited long enough already.
            late = f"the endpoint did not respond within {self._timeout_s:g} s"
            raise NotEnhanced("timeout", late, is_final=True) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NotEnhanced("endpoint_unavailable", f"the endpoint is unreachable: {type(error).__name__}") from error

    async def _post(self, body: Mapping[str, Any]) -> bytes:
        content = json.dumps(body, ensure_ascii=False).encode()
        request = self._client.build_request(
            "POST", self._url, content=content, headers={"content-type": "application/json"}
        )
        response = await self._client.send(request, stream=True)
        try:
            _check_status(response.status_code)
            return await _read(response)
        finally:
            await response.aclose()


def _check_status(status: int) -> None:
    if status // 100 == 2:
        return
    is_passing = status >= 500 or status in _TRY_AGAIN
    reason = "endpoint_unavailable" if is_passing else "endpoint_refused"
    raise NotEnhanced(reason, f"the endpoint responded with status {status}", is_final=not is_passing)


async def _read(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > _MAX_RESPONSE_BYTES:
            raise NotEnhanced("answer_too_long", f"the endpoint's response exceeds {_MAX_RESPONSE_BYTES} bytes")
    return bytes(body)
