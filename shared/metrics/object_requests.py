"""Times the requests of a boto3 client, by the events that botocore gives for each."""

import time
from functools import cache
from typing import Any

from prometheus_client import Histogram

from shared.metrics.catalogue import OBJECT_STORE_ERRORS, OBJECT_STORE_REQUEST_SECONDS

_BEGAN = "gridpress_began"


def watch_requests(client: Any) -> None:
    """A missing object or a wrong range is an answer, not an error."""
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
    """Returns the operation. None without a begin, since a handler that raises would fail the request."""
    if _BEGAN not in context:
        return None
    operation, began_s = context[_BEGAN]
    _seconds_of(operation).observe(time.monotonic() - began_s)
    return str(operation)


@cache
def _seconds_of(operation: str) -> Histogram:
    """Cached: finding the series of a label costs as much as counting."""
    return OBJECT_STORE_REQUEST_SECONDS.labels(operation)
