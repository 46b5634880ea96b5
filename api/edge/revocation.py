"""Ends streams, downloads and held waits soon after their key was revoked."""

from collections.abc import Callable, Generator, Iterable
from typing import cast

import structlog
from flask import Response, g

from api.edge.callers import Caller, is_open
from api.edge.request_metrics import held_stream
from api.problems.errors import Unauthorized
from api.services import Services, services
from shared.errors import StoreUnavailable

log = structlog.get_logger()

_EVENTS = "text/event-stream"


def revocation() -> Callable[[], bool]:
    """Returns a function that tells whether the caller's access was revoked. It works after the request's context has
    ended.

    Access ends when the key is revoked or, for a caller without a key, when the first key is created. While the store
    is down, nothing changes.
    """
    house, caller = services(), g.get("caller")
    return lambda: caller is not None and not _may_go_on(house, caller)


def revoked() -> Unauthorized:
    """Returns the error with which a wait ends."""
    return Unauthorized("this API key was revoked meanwhile", "invalid_token")


def guard_stream(response: Response) -> Response:
    """Runs after every request. A streamed response is checked for revocation until its end."""
    if response.is_streamed and g.get("caller") is not None:
        chunks, is_events = cast("Iterable[bytes]", response.response), response.content_type == _EVENTS
        guarded = _guarded(chunks, revocation(), is_events=is_events)
        response.response = held_stream(guarded) if is_events else guarded
    return response


def _guarded(chunks: Iterable[bytes], is_revoked: Callable[[], bool], *, is_events: bool) -> Generator[bytes]:
    """Yields the chunks until access is revoked. An event stream then ends, so that its client reconnects and is
    refused.

    Any other stream is cut.
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


def _may_go_on(house: Services, caller: Caller) -> bool:
    try:
        return is_open(house) if caller.key is None else house.keys.still_counts(caller.key)
    except StoreUnavailable:
        return True
