"""Creates the response with the pictures of a finished job in OpenAI's format.

The JSON is created while it is sent, so that the pictures are not all in memory.
"""

import json
from collections.abc import Iterator, Mapping
from itertools import chain, islice

from flask import Response

from api.jobs.picture_links import link_of
from api.jobs.retries import AwaitedJob
from api.openai.segments import Segment, num_bytes, pieces
from api.services import Services, services
from shared.errors import GridpressError
from shared.intake.openai import ImagesRequest
from shared.jobs.job import Job, Picture
from shared.responses.job import picture_facts
from shared.responses.openai import images_head


def answer(awaited: AwaitedJob, asked: ImagesRequest) -> Response:
    """Returns the response with all pictures of a job that has succeeded.

    The response is always streamed, so it is not stored under an Idempotency-Key, and a retry gets new links. The first
    picture is read before the response begins; this may raise `ObjectStoreUnavailable` and `ObjectNotFound`. An error
    in a later picture can only cut the connection.
    """
    segments = list(_segments(services(), awaited.job, asked))
    text = pieces(segments, services().objects)
    try:
        begun = list(islice(text, 2))
    except GridpressError:
        awaited.end(is_delivered=False)
        raise
    response = Response(awaited.deliver_pieces(chain(begun, text), lambda: True), content_type="application/json")
    response.content_length = num_bytes(segments)
    return response


def _segments(deps: Services, job: Job, asked: ImagesRequest) -> Iterator[Segment]:
    yield _members(images_head(job, asked).model_dump(mode="json", exclude_none=True)) + b', "data": ['
    for render in job.renders:
        assert render.picture
        yield b", " if render.index else b""
        members = {**({"revised_prompt": job.revised_prompt} if job.revised_prompt else {}), **picture_facts(render)}
        if asked.wants_url:
            yield json.dumps({"url": link_of(deps, job, render.index), **members}).encode()
        else:
            yield from with_picture(members, render.picture)
    yield b"]}"


def with_picture(members: Mapping[str, object], picture: Picture) -> Iterator[Segment]:
    """Yields the segments of a JSON object: the given members, and then the picture as the member `b64_json`.

    A segment is bytes, or a picture, which is sent as base64.
    """
    yield _members(members) + (b", " if members else b"") + b'"b64_json": "'
    yield picture
    yield b'"}'


def _members(members: Mapping[str, object]) -> bytes:
    """Returns the JSON of an object without its closing brace, so that more members can follow."""
    return json.dumps(members).encode()[:-1]
