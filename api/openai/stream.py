"""The answer to a request for a stream: previews and pictures as events, each as soon as it is there."""

import json
import time
from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import cast

import structlog
from flask import Response

from api.openai.errors import JobNotMade, StillRendering, error_body
from api.openai.response import with_picture
from api.openai.retries import Delivery
from api.openai.segments import at_hand
from api.responses.waiting import follow
from api.services import Services, services
from shared.errors import GridpressError, ObjectNotFound
from shared.ids import ObjectKey
from shared.jobs.job import Job
from shared.jobs.states import JobStatus, RenderState
from shared.openai.requests import EditRequest, ImagesRequest
from shared.openai.responses import look, usage
from shared.store.jobs.jobs import JobEvent

log = structlog.get_logger()

_OPENING = b": open\n\n"
_HEARTBEAT = b":\n\n"


def stream(delivery: Delivery, asked: ImagesRequest) -> Response:
    """Ends after the last picture or with an error event, also when the server stops; a retry then goes on."""
    telling = _Telling(services(), delivery.job, asked)
    followed = follow(delivery.job)
    response = Response(
        delivery.handing_over(telling.blocks(followed), lambda: telling.is_whole), content_type="text/event-stream"
    )
    response.headers["X-Accel-Buffering"] = "no"
    return response


@dataclass(slots=True)
class _Telling:
    """What was said so far. `is_whole`: nothing more will be, here or in answer to a retry."""

    house: Services
    job: Job
    asked: ImagesRequest
    sent: set[int] = field(default_factory=set)
    is_whole: bool = False

    def blocks(self, followed: Iterator[JobEvent | None]) -> Iterator[bytes]:
        """Whole events, whatever fails: what one tells is there before it begins."""
        yield _OPENING
        try:
            for event in followed:
                yield from self._told(event) if event else (_HEARTBEAT,)
            yield from self._end()
        except GridpressError as error:
            log.warning("stream.broken_off", job_id=self.job.job_id, error=str(error))
            yield _error(error)

    def _told(self, event: JobEvent) -> Iterator[bytes]:
        if event.type == "render.preview":
            yield from self._preview(event)
        elif event.type == "render.stage" and event.data["state"] == RenderState.SUCCEEDED:
            self._look_again()
            yield from self._pictures()

    def _end(self) -> Iterator[bytes]:
        """Events may have been dropped since; the job knows."""
        self._look_again()
        yield from self._pictures()
        if not self.job.status.is_final:
            yield _error(StillRendering(self.job))
            return
        self.is_whole = True
        if self.job.status is not JobStatus.SUCCEEDED:
            yield _error(JobNotMade(self.job))

    def _look_again(self) -> None:
        self.job = self.house.store.job(self.job.job_id, self.job.spec.tenant)

    def _preview(self, event: JobEvent) -> Iterator[bytes]:
        index, number = cast("int", event.data["index"]), cast("int", event.data["number"])
        try:
            data = self.house.objects.get(ObjectKey(str(event.data["key"])))
        except ObjectNotFound:  # the picture is finished, and its previews were cleared away
            return
        told = {"partial_image_index": number - 1, "b64_json": b64encode(data).decode()}
        kind = self._kind("partial_image")
        yield from _event(kind, (json.dumps({**self._head(kind, index), "output_format": "jpeg", **told}).encode(),))

    def _pictures(self) -> Iterator[bytes]:
        kind = self._kind("completed")
        for render in self.job.renders:
            if render.picture and render.index not in self.sent:
                self.sent.add(render.index)
                told = {**self._head(kind, render.index), "usage": usage(self.job, 1).model_dump()}
                if self.job.revised_prompt:
                    told["revised_prompt"] = self.job.revised_prompt
                with at_hand(render.picture, self.house.objects) as pieces:
                    yield from _event(kind, pieces(with_picture(told, render.picture)))

    def _kind(self, what: str) -> str:
        return f"{'image_edit' if isinstance(self.asked, EditRequest) else 'image_generation'}.{what}"

    def _head(self, kind: str, index: int) -> dict[str, object]:
        """`image_index` is ours: of several pictures at once, which one this is."""
        return {
            "type": kind,
            "created_at": int(time.time()),
            "image_index": index,
            **look(self.job, self.asked).model_dump(),
        }


def _event(kind: str, data: Iterable[bytes]) -> Iterator[bytes]:
    yield f"event: {kind}\ndata: ".encode()
    yield from data
    yield b"\n\n"


def _error(error: GridpressError) -> bytes:
    body = error_body(error.http_status, error.code, str(error), None, retryable=error.retryable)
    return f"event: error\ndata: {json.dumps(body)}\n\n".encode()
