"""The route that streams the state of a batch as Server-Sent Events, at each change, until the batch has ended."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import structlog
from flask import Blueprint, Response, request

from api.batches.expected_end import Ends
from api.batches.response import batch_response
from api.batches.routes import own_batch
from api.responses import sse
from api.responses.waiting import departure, wait_for_change
from api.services import Services, services
from shared.batches.batch import Batch
from shared.errors import GridpressError

log = structlog.get_logger()

batch_events = Blueprint("batch_events", __name__, url_prefix="/v1/batches")

_REST_S = 1.0  # the shortest interval between two events, since hundreds of lines may end in a second
_HEARTBEAT_S = 10.0  # proxies cut a connection that is idle for a minute


@batch_events.get("/<batch_id>/events")
def stream(batch_id: str) -> Response:
    """Streams the state of a batch: the current state first, and the new state after each change.

    The current state is left out if the client has it already, as `Last-Event-ID` shows. Each event contains the whole
    batch, so a client that reconnects misses nothing. The response is 204 if the batch has ended and the client already
    has its final state. The stream ends with the event `server.stopping` when the server stops, and with `stream.limit`
    after GRIDPRESS_STREAM_LIMIT_S seconds.
    """
    deps, batch = services(), own_batch(batch_id)
    last_id = request.headers.get("Last-Event-ID", "")
    if batch.status.is_final and _Event.of(deps, batch).event_id == last_id:
        return Response(status=204)  # an EventSource does not reconnect after a 204
    return sse.stream_of(_blocks(deps, batch, last_id, departure()))


@dataclass(frozen=True, slots=True)
class _Event:
    """A Server-Sent Event with the state of a batch. The event's id is a hash of this state.

    So all servers give the same state the same id. The expected end is not part of the hash, since it changes all the
    time.
    """

    event_id: str
    event_type: str
    data: Mapping[str, object]

    @classmethod
    def of(cls, deps: Services, batch: Batch) -> Self:
        answer = batch_response(batch, deps.settings.served_model_name, Ends(deps).of(batch))
        data = answer.model_dump(mode="json")
        lasting = json.dumps({**data, "eta_s": None, "expected_end": None})
        event_type = f"batch.{batch.status}" if batch.status.is_final else "batch.progress"
        return cls(hashlib.sha256(lasting.encode()).hexdigest()[:16], event_type, data)

    def __str__(self) -> str:
        return sse.block(self.event_id, self.event_type, self.data)


def _blocks(deps: Services, batch: Batch, last_id: str, has_left: Callable[[], bool]) -> Iterator[str]:
    yield sse.OPENING
    ends_at = time.monotonic() + deps.settings.stream_limit_s
    try:
        yield from _follow(deps, batch, last_id, has_left, ends_at)
    except GridpressError as error:  # the stream just ends, so the client reconnects and resumes
        log.warning("batch_events.broken_off", batch_id=batch.batch_id, error=str(error))
    if deps.stopping.is_set():
        yield sse.STOPPING
    elif time.monotonic() >= ends_at:
        yield sse.LIMIT


def _follow(deps: Services, batch: Batch, last_id: str, has_left: Callable[[], bool], ends_at: float) -> Iterator[str]:
    beats_at = time.monotonic() + _HEARTBEAT_S
    with deps.hub.watch(batch.batch_id) as watch:
        while not deps.stopping.is_set() and not has_left() and time.monotonic() < ends_at:
            found = deps.batches.batch(batch.batch_id, batch.spec.tenant)
            event = _Event.of(deps, found)
            if event.event_id != last_id or time.monotonic() >= beats_at:
                yield sse.HEARTBEAT if event.event_id == last_id else str(event)
                last_id, beats_at = event.event_id, time.monotonic() + _HEARTBEAT_S
            if found.status.is_final:
                return
            deps.stopping.wait(_REST_S)
            wait_for_change(deps, watch, has_left, min(beats_at, ends_at))
