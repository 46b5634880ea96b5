"""Formats error responses as Z.ai does, with Z.ai's error numbers and the error codes of this service beside them.

The numbers are from docs.bigmodel.cn/cn/api/api-code. Z.ai's routes also raise errors of their own:

GridpressError
├── ModelNotServed    400  the request names a model that this service does not serve
├── JobNotMade        422  the job ended without all its pictures
├── ContentRejected   400  the operator's content policy refused the prompt or a picture
└── StillRendering    408  the pictures take longer than a request may wait
"""

from typing import Any

from shared.errors import GridpressError, InvalidRequest

_INTERNAL, _PARAMETERS, _PARAMETER = "500", "1210", "1214"
# Z.ai's numbers for failed authentication, missing permission, wrong method, too many requests and overloaded model.
_BY_STATUS = {401: "1000", 403: "1220", 405: "1212", 429: "1302", 503: "1312"}
# Z.ai's numbers for an unknown model, a wrong parameter, an unknown route and an error in processing.
_BY_REASON = {
    "model_not_found": "1211",
    "job_not_found": _PARAMETER,
    "not_found": "1222",
    "job_not_made": "1230",
    "content_rejected": "1301",  # unsafe or sensitive content
    "still_rendering": "1230",
}


class ModelNotServed(InvalidRequest):
    """The request names a model that this service does not serve."""

    code = "model_not_found"


class JobNotMade(GridpressError):
    """The job ended without all its pictures. The same request would end in the same way."""

    code = "job_not_made"
    http_status = 422


class ContentRejected(GridpressError):
    """The operator's content policy refused the prompt or a picture. The same request would be refused again."""

    code = "content_rejected"
    http_status = 400


class StillRendering(GridpressError):
    """The job is still running when the longest wait is over. Ask for its pictures later."""

    code = "still_rendering"
    http_status = 408
    retryable = True


def error_body(status: int, reason: str, message: str, field: str | None, *, retryable: bool) -> dict[str, Any]:
    """Returns the body of an error response in Z.ai's format.

    `code` is Z.ai's error number, and `reason` the error code of this service. Z.ai's clients read only `code` and
    `message`.
    """
    fields = {"code": _number(status, reason, field), "message": message, "reason": reason}
    return {"error": {**fields, "field": field, "retryable": retryable}}


def _number(status: int, reason: str, field: str | None) -> str:
    if status >= 500:
        return _BY_STATUS.get(status, _INTERNAL)
    return _BY_REASON.get(reason) or _BY_STATUS.get(status) or (_PARAMETER if field else _PARAMETERS)
