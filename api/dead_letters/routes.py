"""Routes that list, read, requeue and delete dead letters."""

from typing import Any

from flask import Blueprint, request
from pydantic import BaseModel, Field

from api.edge.authentication import caller, check_model, is_operator
from api.edge.proxies import base_url
from api.jobs.schemas import DeadLetterQuery
from api.responses.listing import readable_responses
from api.services import services
from shared.hints.queues import Queue
from shared.ids import RenderId, split_render_id
from shared.intake.fields import validated
from shared.jobs.dead_letters import Crash, DeadLetter
from shared.jobs.states import Stage
from shared.responses.job import job_response
from shared.responses.schemas import Moment, StepsResponse

dead_letters = Blueprint("dead_letters", __name__, url_prefix="/v1/dead_letters")

Json = dict[str, Any]


class CrashResponse(BaseModel):
    """A crash or hang of a worker whose running step contained the picture.

    `was_alone` is true if the step contained no other picture.
    """

    worker: str | None = Field(
        description="contains the host name and the process id; null for an API key without the scope operator"
    )
    stage: Stage
    at: Moment
    steps: StepsResponse
    was_alone: bool
    log_lines: list[str] | None = Field(
        description="the worker's last log lines; null for an API key without the scope operator, since the lines may "
        "contain data of other tenants"
    )


class DeadLetterResponse(BaseModel):
    """A picture that failed with the code `poison`, because workers crashed while they rendered it.

    `crashes` lists the crashes, oldest first.
    """

    id: str
    job_id: str
    index: int
    stage: Stage
    strikes: int
    died_at: Moment
    crashes: list[CrashResponse]


class DeadLetterPage(BaseModel):
    """A page of dead letters. Those of the newest jobs come first. Pass `next` as `after` to get the next page."""

    data: list[DeadLetterResponse]
    has_more: bool
    next: str | None


@dead_letters.get("")
def index() -> Json:
    """Returns a page of the tenant's dead letters, those of the newest jobs first."""
    query = validated(DeadLetterQuery, request.args.to_dict())
    found = services().dead_letters.letters(caller().tenant, limit=query.limit + 1, after=query.after)
    page, has_more = found[: query.limit], len(found) > query.limit
    data = readable_responses("dead_letter", ((letter.render_id, letter) for letter in page), _answer)
    return {"data": data, "has_more": has_more, "next": page[-1].render_id if has_more else None}


@dead_letters.get("/<letter_id>")
def read(letter_id: str) -> Json:
    """Returns one dead letter with its crash evidence."""
    return _answer(services().dead_letters.letter(RenderId(letter_id), caller().tenant))


@dead_letters.post("/<letter_id>/requeue")
def requeue(letter_id: str) -> Json:
    """Requeues the picture of a dead letter for the stage in which it failed, and returns the picture's job."""
    deps, render, tenant = services(), RenderId(letter_id), caller().tenant
    stage = deps.dead_letters.letter(render, tenant).stage
    check_model(deps.store.job(split_render_id(render)[0], tenant).spec.model)
    deps.dead_letters.requeue(render, tenant)
    deps.hints.send_one(Queue(stage.value))
    job = deps.store.job(split_render_id(render)[0], tenant)
    return job_response(job, base_url(), deps.settings.served_model_name)


@dead_letters.post("/<letter_id>/purge")
def purge(letter_id: str) -> tuple[str, int]:
    """Deletes a dead letter and returns 204. Its picture stays failed."""
    services().dead_letters.purge(RenderId(letter_id), caller().tenant)
    return "", 204


def _answer(letter: DeadLetter) -> Json:
    answer = DeadLetterResponse(
        id=letter.render_id,
        job_id=letter.job_id,
        index=letter.index,
        stage=letter.stage,
        strikes=letter.strikes,
        died_at=letter.died_at,
        crashes=[_crash(crash) for crash in letter.crashes],
    )
    return answer.model_dump(mode="json")


def _crash(crash: Crash) -> CrashResponse:
    return CrashResponse(
        worker=crash.worker_id if is_operator() else None,
        stage=crash.stage,
        at=crash.at,
        steps=StepsResponse(done=crash.steps.done, total=crash.steps.total),
        was_alone=crash.was_alone,
        log_lines=list(crash.log_lines) if is_operator() else None,
    )
