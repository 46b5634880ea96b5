"""Tells errors of the Hugging Face hub that pass from those that last, and asks again after those that pass."""

import time
from collections.abc import Callable
from typing import TypeVar

import httpx

from shared.errors import DownloadInterrupted

TRIES = 5  # requests in a row that bring nothing
PAUSE_S = 1.0
MOST_PAUSE_S = 60.0  # a hub that asks for more is asked again by the next start
_Found = TypeVar("_Found")
_PASSING = (httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_MANY_REQUESTS)


def passing_fault(error: Exception) -> Exception | None:
    """Returns the fault that passes, among `error` and the errors that caused it: a broken connection, or a response
    with the status 408, 429 or 5xx. Returns None if there is no such fault.
    """
    fault: BaseException | None = error
    while isinstance(fault, Exception):
        if isinstance(fault, httpx.TransportError) or _is_passing(_response_of(fault)):
            return fault
        fault = fault.__cause__
    return None


def pause_s(fault: Exception) -> float:
    """Returns how long to wait before the next request: the seconds in `Retry-After` of the response, at most 60."""
    response = _response_of(fault)
    asked = response.headers.get("retry-after", "").strip() if response is not None else ""
    return min(float(asked), MOST_PAUSE_S) if asked.isdecimal() else PAUSE_S


def ask_again(ask: Callable[[], _Found], name: str) -> _Found:
    """Returns the hub's response about the file `name`. Asks up to 5 times if a fault passes.

    Raises the fault that goes on as `lasting` returns it, and other errors of the hub's client at once.
    """
    tries = 0
    while True:
        try:
            return ask()
        except (httpx.HTTPError, OSError) as error:
            if (fault := passing_fault(error)) is None:
                raise
            tries += 1
            if tries >= TRIES:
                raise lasting(fault, name) from error
            time.sleep(pause_s(fault))


def lasting(fault: Exception, name: str) -> Exception:
    """Returns the error to raise for a fault that has not passed: `DownloadInterrupted` if the hub has refused requests
    for the file `name`, and otherwise the fault itself.
    """
    if _response_of(fault) is None:
        return fault
    return DownloadInterrupted(f"the hub refuses requests for {name} now ({first_line(fault)})")


def first_line(error: Exception) -> str:
    """Returns the first line of the error's message, or its type if it has none."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _is_passing(response: httpx.Response | None) -> bool:
    return response is not None and (response.status_code in _PASSING or response.is_server_error)


def _response_of(fault: Exception) -> httpx.Response | None:
    # httpx and the hub's client have no common type for errors with a response.
    response = getattr(fault, "response", None)
    return response if isinstance(response, httpx.Response) else None
