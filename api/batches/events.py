"""The route of a batch's events: how it stands, whenever that changes, until it is over. Server-Sent Events."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import structlog
from flask import Blueprint, Response, request

from api.batches.expected_end import Ends
from api.batches.response_schemas import BatchAnswer
from api.batches.routes import own_batch
from api.responses import sse
from api.responses.waiting import departure, is_told
from api.services import Services, services
from shared.batches.batch import Batch
from shared.errors import GridpressError

log = structlog.get_logger()

batch_events = Blueprint("batch_events", __name__, url_prefix="/v1/batches")

_REST_S = 1.0  # between two looks: lines may end by the hundred
_HEARTBEAT_S = 10.0  # proxies cut a connection that is quiet for a minute


@batch_events.get("/<batch_id>/events")
def stream(batch_id: str) -> Response:
    """The batch now and at every change, or from the first change after `Last-Event-ID`; 204 when none will come.

    Each event tells all, so whoever was away misses nothing. A server that stops ends it with `server.stopping`.
    """
    house, batch = services(), own_batch(batch_id)
    last_id = request.headers.get("Last-Event-ID", "")
    if batch.status.is_final and _Event.of(house, batch).event_id == last_id:
        return Response(status=204)  # what tells an EventSource to stop coming back
    return sse.stream_of(_blocks(house, batch, last_id, departure()))


@dataclass(frozen=True, slots=True)
class _Event:
    """How a batch stands. The id is made of that, so the same state is the same event on every server."""

    event_id: str
    event_type: str
    data: Mapping[str, object]

    @classmethod
    def of(cls, house: Services, batch: Batch) -> Self:
        answer = BatchAnswer.of(batch, house.settings.served_model_name, Ends(house).of(batch))
        data = answer.model_dump(mode="json")
        lasting = json.dumps({**data, "eta_s": None, "expected_end": None})
        event_type = f"batch.{batch.status}" if batch.status.is_final else "batch.progress"
        return cls(hashlib.sha256(lasting.encode()).hexdigest()[:16], event_type, data)

    def __str__(self) -> str:
        return sse.block(self.event_id, self.event_type, self.data)


def _blocks(house: Services, batch: Batch, last_id: str, has_left: Callable[[], bool]) -> Iterator[str]:
    yield sse.OPENING
    try:
        yield from _follow(house, batch, last_id, has_left)
    except GridpressError as error:  # it ends as a connection does: the client comes back and resumes
        log.warning("batch_events.broken_off", batch_id=batch.batch_id, error=str(error))
    if house.stopping.is_set():
        yield sse.STOPPING


def _follow(house: Services, batch: Batch, last_id: str, has_left: Callable[[], bool]) -> Iterator[str]:
    beats_at = time.monotonic() + _HEARTBEAT_S
    with house.hub.watch(batch.batch_id) as watch:
        while not house.stopping.is_set() and not has_left():
            found = house.batches.batch(batch.batch_id, batch.spec.tenant)
            event = _Event.of(house, found)
            if event.event_id != last_id or time.monotonic() >= beats_at:
                yield sse.HEARTBEAT if event.event_id == last_id else str(event)
                last_id, beats_at = event.event_id, time.monotonic() + _HEARTBEAT_S
            if found.status.is_final:
                return
            house.stopping.wait(_REST_S)
            is_told(house, watch, has_left, beats_at)
