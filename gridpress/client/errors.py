"""Defines the errors of the client, and converts error responses to them.

ClientError
├── Unreachable            there was no response
├── UnexpectedResponse     the response is not one of Gridpress
├── ErrorResponse          the service refused the request; has the status, the code and the invalid fields
│   ├── InvalidRequest     400, 413, 415, 422 and every other 4xx that is not below
│   ├── AccessDenied       401, 403
│   ├── NotFound           404
│   ├── Conflict           409
│   ├── LimitReached       429
│   └── ServiceFailed      5xx
├── StillRunning           a job or batch has not ended in time; also a `TimeoutError`
├── JobNotSucceeded        a job ended without all its pictures
└── InvalidSignature       a webhook was not signed with the secret, or is too old
"""

from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from shared.intake.fields import FieldError
from shared.responses.batches import BatchResponse
from shared.responses.schemas import JobResponse


class ClientError(Exception):
    """The base of all errors that the client raises. `is_temporary` tells whether the same call may succeed later."""

    is_temporary = False


class Unreachable(ClientError):
    """There was no response: no connection was possible, or it broke. The cause is an error of httpx."""

    def __init__(self, message: str, *, is_temporary: bool) -> None:
        super().__init__(message)
        self.is_temporary = is_temporary


class UnexpectedResponse(ClientError):
    """The response is not one that Gridpress sends. Maybe the address belongs to another service."""


class ErrorResponse(ClientError):
    """The service responded with an error. The message is the `detail` of its problem details (RFC 9457).

    - `status` is the HTTP status, and `code` the stable name of the error, such as `queue_full`.
    - `fields` lists the invalid fields of the request, each with a message.
    - `retry_after_s` is the number of seconds to wait before the next attempt, or None if the service names none.
    - `body` is the JSON object in the response, or empty.
    - `request_id` identifies the request in the service's log.
    """

    def __init__(self, response: httpx.Response) -> None:
        problem = _problem(response)
        known = problem.get("error", problem)
        super().__init__(str(known.get("message") or problem.get("detail") or _line(response)))
        self.status = response.status_code
        self.body = problem
        self.code = str(known.get("code") or "")
        self.title = str(problem.get("title") or response.reason_phrase)
        self.fields = _fields(problem, known)
        self.is_temporary = _is_temporary(response.status_code, known.get("retryable"))
        self.retry_after_s = _retry_after_s(response)
        self.request_id = response.headers.get("x-request-id")


class InvalidRequest(ErrorResponse):
    """The service can't fulfil this request. `fields` has the invalid fields."""


class AccessDenied(ErrorResponse):
    """The API key is missing, unknown, revoked or expired (401), or lacks the scope that the call needs (403)."""


class NotFound(ErrorResponse):
    """The object does not exist, or belongs to another tenant."""


class Conflict(ErrorResponse):
    """The state of the object does not permit the call. For example, a job must have ended before it is deleted."""


class LimitReached(ErrorResponse):
    """The queue is full, or the request exceeds a limit of the tenant."""


class ServiceFailed(ErrorResponse):
    """The service has an internal error, or can't respond now."""


class StillRunning(ClientError, TimeoutError):
    """A job or batch has not ended within the caller's time limit. It goes on. `state` is its last known state."""

    is_temporary = True

    def __init__(self, state: JobResponse | BatchResponse) -> None:
        super().__init__(f"{state.id} is still {state.status}")
        self.state = state


class JobNotSucceeded(ClientError):
    """A job failed, expired, was cancelled or was rejected by the operator's content policy.

    `job` has the error of each picture, and the pictures that succeeded.
    """

    def __init__(self, job: JobResponse) -> None:
        super().__init__(f"{job.id} is {job.status}" + (f": {job.error.message}" if job.error else ""))
        self.job = job


class InvalidSignature(ClientError):
    """A webhook was not signed with the secret, or its timestamp differs by more than five minutes from now."""


def error_of(response: httpx.Response) -> ErrorResponse:
    """Converts an error response to the error for its status. The body of the response must have been read."""
    if response.status_code >= 500:
        return ServiceFailed(response)
    return _BY_STATUS.get(response.status_code, InvalidRequest)(response)


_BY_STATUS: Mapping[int, type[ErrorResponse]] = {
    401: AccessDenied,
    403: AccessDenied,
    404: NotFound,
    409: Conflict,
    429: LimitReached,
}
_TEMPORARY = frozenset((429, 502, 503, 504))  # proxies send 502 and 504


def unreachable(url: str, error: httpx.RequestError | httpx.InvalidURL) -> Unreachable:
    """Converts an error of httpx, which has no response, to an error that says why there is none."""
    why = next(why for kind, why in _CAUSES if isinstance(error, kind))
    is_temporary = isinstance(error, httpx.TransportError) and not isinstance(error, httpx.UnsupportedProtocol)
    return Unreachable(f"nothing answers at {_place(url, error)} ({why})", is_temporary=is_temporary)


# The first class that matches counts.
_CAUSES: Sequence[tuple[type[Exception], str]] = (
    (httpx.InvalidURL, "that is no URL"),
    (httpx.UnsupportedProtocol, "the URL must begin with http:// or https://"),
    (httpx.ConnectError, "no connection is possible"),
    (httpx.TimeoutException, "there was no response in time"),
    (httpx.ProtocolError, "the connection ended without a response in HTTP"),
    (httpx.TooManyRedirects, "the response redirects in a circle"),
    (Exception, "the connection was lost"),
)


def _place(url: str, error: httpx.RequestError | httpx.InvalidURL) -> str:
    """Returns the address that did not respond: the service's, or that of an object store to which it redirected."""
    if not isinstance(error, httpx.RequestError):
        return url
    try:
        asked = error.request.url
    except RuntimeError:  # the error has no request
        return url
    return url if asked.netloc == httpx.URL(url).netloc else f"{asked.scheme}://{asked.netloc.decode()}"


def _problem(response: httpx.Response) -> Mapping[str, Any]:
    """Returns the problem details of a response, or the error in OpenAI's format. Any other body gives no fields."""
    try:
        found = response.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) and isinstance(found.get("error", {}), dict) else {}


def _fields(problem: Mapping[str, Any], known: Mapping[str, Any]) -> tuple[FieldError, ...]:
    errors = problem.get("errors")
    if errors:
        return tuple(FieldError.model_validate(error) for error in errors)
    field = known.get("param") or problem.get("field")
    message = str(known.get("message") or problem.get("detail"))
    return (FieldError(field=str(field), message=message),) if field else ()


def _is_temporary(status: int, said: object) -> bool:
    """Returns whether a repetition may succeed: as the response says, or by its status if it does not say."""
    return bool(said) if said is not None else status in _TEMPORARY


def _retry_after_s(response: httpx.Response) -> float | None:
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdecimal() else None


def _line(response: httpx.Response) -> str:
    return f"{response.request.url} answered {response.status_code} {response.reason_phrase}"
