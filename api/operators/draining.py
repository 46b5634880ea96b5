"""Routes with which operators drain one worker, and let it claim again."""

from typing import Annotated, Any, Self

from flask import Blueprint
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api.bodies.documents import read_optional
from api.edge import audit
from api.edge.authentication import caller
from api.operators.pauses import one_line
from api.services import services
from shared.errors import WorkerNotFound
from shared.hints.queues import Queue
from shared.ids import WorkerId
from shared.intake.types import Text
from shared.jobs.pauses import Drain
from shared.responses.schemas import Moment

draining = Blueprint("draining", __name__, url_prefix="/v1/workers/<worker_id>")


class DrainRequest(BaseModel):
    """The body of a request to drain a worker. The body is optional."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    reason: Annotated[Text, AfterValidator(one_line), Field(max_length=200)] = Field(
        default="", description="why; only operators read it"
    )


class DrainResponse(BaseModel):
    """The drain of a worker by an operator. `key_id` is null for an API without keys."""

    reason: str
    since: Moment
    key_id: str | None

    @classmethod
    def of(cls, drain: Drain) -> Self:
        return cls(reason=drain.reason, since=drain.since, key_id=drain.key_id or None)


class DrainedResponse(BaseModel):
    """A worker that an operator drains."""

    id: str
    drain: DrainResponse


@draining.post("/drain")
def drain(worker_id: str) -> dict[str, Any]:
    """Drains a worker of a stage, and returns the drain. Needs the scope `operator` as well.

    The worker claims nothing from now on. Pictures that can end within its grace period do so; it hands the others
    back, and other workers go on with them. Then it stays alive and drained, until the drain is ended here or its
    process ends. A new process is a new worker, which is not drained.
    """
    own, reason = caller().key, read_optional(DrainRequest).reason
    audit.note(reason=reason)
    found = services().pauses.drain(WorkerId(worker_id), reason, own.key_id if own else "")
    return DrainedResponse(id=worker_id, drain=DrainResponse.of(found)).model_dump(mode="json")


@draining.post("/resume")
def resume(worker_id: str) -> tuple[str, int]:
    """Ends the drain of a worker, and returns 204. The worker claims again within seconds. Needs the scope `operator`
    as well.
    """
    deps = services()
    if not deps.pauses.end_drain(WorkerId(worker_id)):
        raise WorkerNotFound(f"no operator drains a worker {worker_id}")
    for queue in (Queue.AR, Queue.DIT):
        deps.hints.send_one(queue)
    return "", 204
