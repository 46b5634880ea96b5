"""Ends streams, downloads and waits soon after the API key that began them was revoked."""

from collections.abc import Callable, Generator, Iterable
from typing import cast

import structlog
from flask import Response, g

from api.edge.authentication import Caller, caller_address, is_open
from api.edge.request_metrics import held_stream
from api.problems.errors import Unauthorized
from api.services import Services, services
from shared.addresses import Address
from shared.errors import StoreUnavailable

log = structlog.get_logger()

_EVENTS = "text/event-stream"


def revocation() -> Callable[[], bool]:
    """Returns a function that tells whether the access of the current request's caller was revoked.

    The returned function also works after Flask's context of the request has ended. Access ends when the caller's API
    key is revoked or expires, or may no longer be used from the caller's address. A caller without an API key loses
    access when the first API key is created. While the store is unreachable, access continues.
    """
    deps, caller, address = services(), g.get("caller"), caller_address()
    return lambda: caller is not None and not _may_go_on(deps, caller, address)


def revoked() -> Unauthorized:
    """Returns the error for a waiting request whose API key was revoked during the wait."""
    return Unauthorized("this API key was revoked or has expired meanwhile", "invalid_token")


def guard_stream(response: Response) -> Response:
    """Makes a streamed response end when the caller's API key is revoked, and returns the response. Runs after every
    request.

    Responses that are not streamed stay unchanged.
    """
    if response.is_streamed and g.get("caller") is not None:
        chunks, is_events = cast("Iterable[bytes]", response.response), response.content_type == _EVENTS
        guarded = _guarded(chunks, revocation(), is_events=is_events)
        response.response = held_stream(guarded) if is_events else guarded
    return response


def _guarded(chunks: Iterable[bytes], is_revoked: Callable[[], bool], *, is_events: bool) -> Generator[bytes]:
    """Yields the chunks of a response until the caller's access is revoked.

    If the response is an event stream, it then ends normally, and the API refuses the client when it reconnects. The
    connection of any other stream is cut, since the client would take a normal end as a complete file.
    """
    try:
        for chunk in chunks:
            if is_revoked():
                log.info("stream.revoked", is_events=is_events)
                if is_events:
                    return
                raise revoked()
            yield chunk
    finally:
        close = getattr(chunks, "close", None)
        if close:
            close()


def _may_go_on(deps: Services, caller: Caller, address: Address | None) -> bool:
    try:
        return is_open(deps) if caller.key is None else deps.keys.is_still_valid(caller.key, address)
    except StoreUnavailable:
        return True
