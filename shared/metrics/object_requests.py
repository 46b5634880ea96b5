"""Records metrics about the requests of a boto3 client: durations and errors. Uses the events that botocore emits for
each request.
"""

import time
from functools import cache
from typing import Any

from prometheus_client import Histogram

from shared.metrics.catalogue import OBJECT_STORE_ERRORS, OBJECT_STORE_REQUEST_SECONDS

_BEGAN = "gridpress_began"


def watch_requests(client: Any) -> None:
    """Starts measuring the requests of a boto3 client. A missing object or an invalid range is not an error."""
    client.meta.events.register("before-call.s3", _begin)
    client.meta.events.register("after-call.s3", _end)
    client.meta.events.register("after-call-error.s3", _fail)


def _begin(model: Any, context: dict[str, Any], **_: object) -> None:
    context[_BEGAN] = (model.name, time.monotonic())


def _end(http_response: Any, context: dict[str, Any], **_: object) -> None:
    operation = _observed(context)
    if operation and (http_response.status_code >= 500 or http_response.status_code == 403):
        OBJECT_STORE_ERRORS.labels(operation).inc()


def _fail(context: dict[str, Any], **_: object) -> None:
    if operation := _observed(context):
        OBJECT_STORE_ERRORS.labels(operation).inc()


def _observed(context: dict[str, Any]) -> str | None:
    """Records the duration of a request that has ended, and returns the name of the S3 operation of the request.

    Returns None if the start of the request was not recorded. It must not raise, since an exception here would make the
    request fail.
    """
    if _BEGAN not in context:
        return None
    operation, began_s = context[_BEGAN]
    _seconds_of(operation).observe(time.monotonic() - began_s)
    return str(operation)


@cache
def _seconds_of(operation: str) -> Histogram:
    """Returns the histogram for the durations of an S3 operation. The result is cached, because finding the histogram
    takes as long as recording a duration in it.
    """
    return OBJECT_STORE_REQUEST_SECONDS.labels(operation)
