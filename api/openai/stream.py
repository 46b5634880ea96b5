"""Streams previews and finished pictures as Server-Sent Events in OpenAI's format, each as soon as it exists."""

import json
import time
from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import cast

import structlog
from flask import Response

from api.jobs.retries import AwaitedJob
from api.openai.response import with_picture
from api.openai.segments import read_completely
from api.problems.openai import StillRendering, error_body, not_made
from api.responses.waiting import follow
from api.services import Services, services
from shared.errors import GridpressError, ObjectNotFound
from shared.ids import ObjectKey
from shared.intake.openai import EditRequest, ImagesRequest
from shared.jobs.job import Job
from shared.jobs.states import JobStatus, RenderState
from shared.responses.job import picture_facts
from shared.responses.openai import picture_properties, usage
from shared.store.jobs.jobs import JobEvent

log = structlog.get_logger()

_OPENING = b": open\n\n"
_HEARTBEAT = b":\n\n"


def stream(awaited: AwaitedJob, asked: ImagesRequest) -> Response:
    """Returns the response that streams a job's previews and pictures.

    The stream ends after the last picture, or with an error event. It also ends with an error event when the server
    stops, and after GRIDPRESS_IMAGES_WAIT_S seconds. If the client then retries the request, the retry continues with
    the same job.
    """
    event_stream = _EventStream(services(), awaited.job, asked)
    followed = follow(awaited.job, time.monotonic() + services().settings.images_wait_s)
    response = Response(
        awaited.deliver_pieces(event_stream.blocks(followed), lambda: event_stream.is_whole),
        content_type="text/event-stream",
    )
    response.headers["X-Accel-Buffering"] = "no"
    return response


@dataclass(slots=True)
class _EventStream:
    """Creates the Server-Sent Events about one job in OpenAI's format, and records which pictures were sent.

    `is_whole` becomes true when the job has ended and all its pictures were sent. After that, a retry has nothing more
    to deliver.
    """

    deps: Services
    job: Job
    asked: ImagesRequest
    sent: set[int] = field(default_factory=set)
    is_whole: bool = False

    def blocks(self, followed: Iterator[JobEvent | None]) -> Iterator[bytes]:
        """Yields the Server-Sent Events about a job as bytes, and an error event if an error occurs.

        `followed` yields the job's events, and None when a heartbeat is due. All data of an event is read before the
        event is sent, so an event is never cut off.
        """
        yield _OPENING
        try:
            for event in followed:
                yield from self._events_of(event) if event else (_HEARTBEAT,)
            yield from self._end()
        except GridpressError as error:
            log.warning("stream.broken_off", job_id=self.job.job_id, error=str(error))
            yield _error(error)

    def _events_of(self, event: JobEvent) -> Iterator[bytes]:
        if event.type == "render.preview":
            yield from self._preview(event)
        elif event.type == "render.stage" and event.data["state"] == RenderState.SUCCEEDED:
            self._reload_job()
            yield from self._pictures()

    def _end(self) -> Iterator[bytes]:
        """Yields the last events of the stream. They are made from the job's record, since old events may have been
        purged.
        """
        self._reload_job()
        yield from self._pictures()
        if not self.job.status.is_final:
            yield _error(StillRendering(self.job))
            return
        self.is_whole = True
        if self.job.status is not JobStatus.SUCCEEDED:
            yield _error(not_made(self.job))

    def _reload_job(self) -> None:
        self.job = self.deps.store.job(self.job.job_id, self.job.spec.tenant)

    def _preview(self, event: JobEvent) -> Iterator[bytes]:
        index, number = cast("int", event.data["index"]), cast("int", event.data["number"])
        try:
            data = self.deps.objects.get(ObjectKey(str(event.data["key"])))
        except ObjectNotFound:  # the picture is finished, and its previews were deleted
            return
        fields = {"partial_image_index": number - 1, "b64_json": b64encode(data).decode()}
        kind = self._kind("partial_image")
        yield from _event(kind, (json.dumps({**self._head(kind, index), "output_format": "jpeg", **fields}).encode(),))

    def _pictures(self) -> Iterator[bytes]:
        kind = self._kind("completed")
        for render in self.job.renders:
            if render.picture and render.index not in self.sent:
                self.sent.add(render.index)
                fields = {**self._head(kind, render.index), "usage": usage(self.job, 1).model_dump()}
                if self.asked.warnings:
                    fields["warnings"] = self.asked.warnings
                if self.job.revised_prompt:
                    fields["revised_prompt"] = self.job.revised_prompt
                fields |= picture_facts(render)
                with read_completely(render.picture, self.deps.objects) as pieces:
                    yield from _event(kind, pieces(with_picture(fields, render.picture)))

    def _kind(self, what: str) -> str:
        return f"{'image_edit' if isinstance(self.asked, EditRequest) else 'image_generation'}.{what}"

    def _head(self, kind: str, index: int) -> dict[str, object]:
        """Returns the fields with which every event of the stream begins.

        `image_index` is our addition to OpenAI's fields. It is the index of the picture in the job.
        """
        return {
            "type": kind,
            "created_at": int(time.time()),
            "image_index": index,
            **picture_properties(self.job, self.asked).model_dump(),
        }


def _event(kind: str, data: Iterable[bytes]) -> Iterator[bytes]:
    yield f"event: {kind}\ndata: ".encode()
    yield from data
    yield b"\n\n"


def _error(error: GridpressError) -> bytes:
    body = error_body(error.http_status, error.code, str(error), None, retryable=error.retryable)
    return f"event: error\ndata: {json.dumps(body)}\n\n".encode()
