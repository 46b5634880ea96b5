"""Errors in Z.ai's shape: its own numbers by kind, and beside them the codes that every door of this service has.

The numbers are of docs.bigmodel.cn/cn/api/api-code. GridpressError
├── ModelNotServed    400  another model was asked for
├── JobNotMade        422  the job ended without all its pictures
└── StillRendering    408  the pictures take longer than a request may wait
"""

from typing import Any

from shared.errors import GridpressError, InvalidRequest

_INTERNAL, _PARAMETERS, _PARAMETER = "500", "1210", "1214"
# What it calls failed authentication, no permission, a wrong method, too many requests at once and an overloaded model.
_BY_STATUS = {401: "1000", 403: "1220", 405: "1212", 429: "1302", 503: "1312"}
# An unknown model, a wrong parameter, no such API, and twice an error on the way.
_BY_REASON = {
    "model_not_found": "1211",
    "job_not_found": _PARAMETER,
    "not_found": "1222",
    "job_not_made": "1230",
    "still_rendering": "1230",
}


class ModelNotServed(InvalidRequest):
    """Another model was asked for."""

    code = "model_not_found"


class JobNotMade(GridpressError):
    """The job ended without all its pictures; the same request again would end alike."""

    code = "job_not_made"
    http_status = 422


class StillRendering(GridpressError):
    """The job goes on; its pictures can be asked for later."""

    code = "still_rendering"
    http_status = 408
    retryable = True


def error_body(status: int, reason: str, message: str, field: str | None, *, retryable: bool) -> dict[str, Any]:
    """`code` and `message` as Z.ai's clients read them; `reason` is our code."""
    told = {"code": _number(status, reason, field), "message": message, "reason": reason}
    return {"error": {**told, "field": field, "retryable": retryable}}


def _number(status: int, reason: str, field: str | None) -> str:
    if status >= 500:
        return _BY_STATUS.get(status, _INTERNAL)
    return _BY_REASON.get(reason) or _BY_STATUS.get(status) or (_PARAMETER if field else _PARAMETERS)
