"""Counts and times requests after their response was sent. Metric labels never contain text that a client invented."""

import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from functools import cache
from typing import Any, Literal

from flask import Flask, request
from prometheus_client import Counter, Histogram

from api.edge.early_errors import refusal_of
from shared.jobs.spec import Priority
from shared.metrics.catalogue import (
    HTTP_HELD_REQUESTS,
    HTTP_HELD_SECONDS,
    HTTP_REFUSALS,
    HTTP_REQUEST_SECONDS,
    HTTP_REQUESTS,
    JOBS_SUBMITTED,
)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_UNMATCHED, _UNREAD, _OTHER = "unmatched", "unread", "other"
_HELD = "gridpress.is_held"
_ROUTE = "gridpress.route"
_OPENAI, _ZAI, _NATIVE = "openai", "zai", "native"


def install(app: Flask) -> None:
    """Installs the hook that records a request's route for the metrics.

    It must precede all hooks that refuse requests, so that refused requests are counted under their route.
    """
    app.before_request(_note_route)


def begin(_worker: Any, req: Any) -> None:
    """Records the time at which the head of a request was parsed. gunicorn calls this as its hook `pre_request`."""
    req.began_at = time.monotonic()


def end(_worker: Any, req: Any, environ: dict[str, Any], resp: Any) -> None:
    """Adds a request to the metrics of request counts and durations. gunicorn calls this as its hook `post_request`.

    gunicorn does so after the response was sent or the client has disconnected.
    """
    if resp is None or resp.status is None:  # `count_unread` counts this request
        return
    route, method = environ.get(_ROUTE, _UNMATCHED), _method_of(req)
    _responses(route, method, resp.status_code).inc()
    lasted_s = time.monotonic() - req.began_at
    if _HELD in environ:
        HTTP_HELD_SECONDS.observe(lasted_s)
    else:
        _seconds_of(route, method).observe(lasted_s)


def count_unread(error: Exception) -> None:
    """Counts a request that the server refused before the app saw it. `error` is the error that its parsing raised."""
    refusal = refusal_of(error)
    HTTP_REQUESTS.labels(_UNREAD, _method_of(getattr(error, "request", None)), refusal.status).inc()
    HTTP_REFUSALS.labels(refusal.code).inc()


def count_submission(priority: Priority) -> None:
    """Counts the job that the current request created in the metric of jobs, by API format and priority class."""
    _submissions(request.blueprint or "", priority).inc()


@contextmanager
def held(kind: Literal["wait", "stream"]) -> Iterator[None]:
    """Counts the current request as one that waits for a job on purpose, during the body of the `with` statement.

    Metrics record the duration of these requests separately, since it does not show how fast the API is.
    """
    request.environ[_HELD] = True
    with HTTP_HELD_REQUESTS.labels(kind).track_inprogress():
        yield


def held_stream(events: Generator[Any]) -> Iterator[Any]:
    """Returns an iterator over the events of an event stream, with which the current request responds.

    While the client reads the stream, the request counts as one that waits on purpose. Metrics record its duration
    separately.
    """
    request.environ[_HELD] = True
    return _tracked(events)


def _tracked(events: Generator[Any]) -> Iterator[Any]:
    with closing(events), HTTP_HELD_REQUESTS.labels("stream").track_inprogress():
        yield from events


# Cached, since looking up a metric's labels costs as much as counting. There are few combinations of labels.


@cache
def _responses(route: str, method: str, status: int) -> Counter:
    return HTTP_REQUESTS.labels(route, method, status)


@cache
def _seconds_of(route: str, method: str) -> Histogram:
    return HTTP_REQUEST_SECONDS.labels(route, method)


@cache
def _submissions(blueprint: str, priority: Priority) -> Counter:
    return JOBS_SUBMITTED.labels(_api_format_of(blueprint), priority.value)


def _note_route() -> None:
    if request.url_rule is not None:
        request.environ[_ROUTE] = request.url_rule.rule


def _method_of(req: Any) -> str:
    method = getattr(req, "method", None)
    return method if method in _METHODS else _OTHER


def _api_format_of(blueprint: str) -> str:
    if blueprint.startswith(_ZAI):
        return _ZAI
    return _OPENAI if blueprint.startswith(_OPENAI) else _NATIVE
