"""The routes of dead letters: list, read, requeue, purge."""

from typing import Any

from flask import Blueprint, request
from pydantic import BaseModel, Field

from api.edge.callers import caller, is_operator
from api.edge.proxies import base_url
from api.jobs.schemas import DeadLetterQuery
from api.responses.listing import told_each
from api.services import services
from shared.hints.queues import Queue
from shared.ids import RenderId, split_render_id
from shared.intake.fields import validated
from shared.jobs.dead_letters import Crash, DeadLetter
from shared.jobs.response_schemas import Moment, StepsAnswer
from shared.jobs.responses import job_answer
from shared.jobs.states import Stage

dead_letters = Blueprint("dead_letters", __name__, url_prefix="/v1/dead_letters")

Answer = dict[str, Any]


class CrashAnswer(BaseModel):
    """The crash or hang of a worker with this picture in its running step.

    `was_alone`: the step had no other picture.
    """

    worker: str
    stage: Stage
    at: Moment
    steps: StepsAnswer
    was_alone: bool
    log_lines: list[str] | None = Field(
        description="what the worker wrote last; null without the scope operator, since it may tell of other tenants"
    )


class DeadLetterAnswer(BaseModel):
    """A picture that failed as `poison`, and the crashes of its workers, oldest first."""

    id: str
    job_id: str
    index: int
    stage: Stage
    strikes: int
    died_at: Moment
    crashes: list[CrashAnswer]


class DeadLetterPage(BaseModel):
    """A page of dead letters, those of the newest jobs first. `next` is the `after` of the next page."""

    data: list[DeadLetterAnswer]
    has_more: bool
    next: str | None


@dead_letters.get("")
def index() -> Answer:
    """Returns a page of dead letters. It reads one more than asked for, to know whether there is another page."""
    query = validated(DeadLetterQuery, request.args.to_dict())
    found = services().dead_letters.letters(caller().tenant, limit=query.limit + 1, after=query.after)
    page, has_more = found[: query.limit], len(found) > query.limit
    told = told_each("dead_letter", ((letter.render_id, letter) for letter in page), _answer)
    return {"data": told, "has_more": has_more, "next": page[-1].render_id if has_more else None}


@dead_letters.get("/<letter_id>")
def read(letter_id: str) -> Answer:
    """Returns one dead letter."""
    return _answer(services().dead_letters.letter(RenderId(letter_id), caller().tenant))


@dead_letters.post("/<letter_id>/requeue")
def requeue(letter_id: str) -> Answer:
    """Requeues the picture and returns its job."""
    house, render, tenant = services(), RenderId(letter_id), caller().tenant
    stage = house.dead_letters.letter(render, tenant).stage
    house.dead_letters.requeue(render, tenant)
    house.hints.send_one(Queue(stage.value))
    job = house.store.job(split_render_id(render)[0], tenant)
    return job_answer(job, base_url(), house.settings.served_model_name)


@dead_letters.post("/<letter_id>/purge")
def purge(letter_id: str) -> tuple[str, int]:
    """Deletes the dead letter (204); the picture stays failed."""
    services().dead_letters.purge(RenderId(letter_id), caller().tenant)
    return "", 204


def _answer(letter: DeadLetter) -> Answer:
    answer = DeadLetterAnswer(
        id=letter.render_id,
        job_id=letter.job_id,
        index=letter.index,
        stage=letter.stage,
        strikes=letter.strikes,
        died_at=letter.died_at,
        crashes=[_crash(crash) for crash in letter.crashes],
    )
    return answer.model_dump(mode="json")


def _crash(crash: Crash) -> CrashAnswer:
    return CrashAnswer(
        worker=crash.worker_id,
        stage=crash.stage,
        at=crash.at,
        steps=StepsAnswer(done=crash.steps.done, total=crash.steps.total),
        was_alone=crash.was_alone,
        log_lines=list(crash.log_lines) if is_operator() else None,
    )
