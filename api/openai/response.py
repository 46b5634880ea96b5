"""The answer to a request that waited: one JSON object, written as it is sent."""

import json
from collections.abc import Iterator, Mapping
from itertools import chain, islice

from flask import Response

from api.jobs.picture_links import link_of
from api.openai.retries import Delivery
from api.openai.segments import Segment, num_bytes, pieces
from api.services import Services, services
from shared.errors import GridpressError
from shared.jobs.job import Job, Picture
from shared.openai.requests import ImagesRequest
from shared.openai.responses import images_head


def answer(delivery: Delivery, asked: ImagesRequest) -> Response:
    """Of a job that succeeded. Never a whole body, so that what it says under an Idempotency-Key is always fresh.

    Raises `ObjectStoreUnavailable` and `ObjectNotFound` for the first picture; later it can only break off.
    """
    segments = list(_segments(services(), delivery.job, asked))
    text = pieces(segments, services().objects)
    try:
        begun = list(islice(text, 2))
    except GridpressError:
        delivery.end(is_told=False)
        raise
    response = Response(delivery.handing_over(chain(begun, text), lambda: True), content_type="application/json")
    response.content_length = num_bytes(segments)
    return response


def _segments(house: Services, job: Job, asked: ImagesRequest) -> Iterator[Segment]:
    yield _members(images_head(job, asked).model_dump(mode="json", exclude_none=True)) + b', "data": ['
    for render in job.renders:
        assert render.picture
        yield b", " if render.index else b""
        told = {"revised_prompt": job.revised_prompt} if job.revised_prompt else {}
        if asked.wants_url:
            yield json.dumps({"url": link_of(house, job, render.index, render.picture), **told}).encode()
        else:
            yield from with_picture(told, render.picture)
    yield b"]}"


def with_picture(told: Mapping[str, object], picture: Picture) -> Iterator[Segment]:
    """A JSON object whose last member is the picture."""
    yield _members(told) + (b", " if told else b"") + b'"b64_json": "'
    yield picture
    yield b'"}'


def _members(told: Mapping[str, object]) -> bytes:
    """An object that is not closed."""
    return json.dumps(told).encode()[:-1]
