"""Routes with which operators pause and resume a stage, a priority class, a tenant or a model revision."""

from typing import Annotated, Any, Self

from flask import Blueprint
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from api.bodies.documents import read_optional
from api.edge import audit
from api.edge.authentication import caller
from api.services import services
from shared.errors import InvalidRequest, PauseNotFound
from shared.hints.queues import Queue
from shared.intake.types import Text
from shared.jobs.pauses import Pause, PauseKind
from shared.responses.schemas import Moment

pauses = Blueprint("pauses", __name__, url_prefix="/v1/pauses")


def one_line(text: str) -> str:
    """Returns the text unchanged. Raises an error of pydantic if it has control characters, such as a line break."""
    if not text.isprintable():
        raise PydanticCustomError("one_line", "must be one line of printable characters")
    return text


class PauseRequest(BaseModel):
    """The body of a request to pause something. The body is optional."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    reason: Annotated[Text, AfterValidator(one_line), Field(max_length=200)] = Field(
        default="", description="why; callers whose work waits read it in their jobs"
    )


class PausedResponse(BaseModel):
    """Something that an operator has paused. Workers claim nothing that it concerns; what they hold goes on."""

    kind: PauseKind
    name: str = Field(description="`ar` or `dit`, a priority class, a tenant, or a model revision")
    reason: str
    since: Moment
    key_id: str | None = Field(description="the API key that paused it; null: an API without keys")

    @classmethod
    def of(cls, pause: Pause) -> Self:
        return cls(
            kind=pause.kind, name=pause.name, reason=pause.reason, since=pause.since, key_id=pause.key_id or None
        )


class PausesPage(BaseModel):
    """All that is paused, sorted by kind and name."""

    data: list[PausedResponse]


@pauses.get("")
def index() -> dict[str, Any]:
    """Returns all that is paused."""
    return PausesPage(data=[PausedResponse.of(each) for each in services().pauses.pauses()]).model_dump(mode="json")


@pauses.put("/<kind>/<name>")
def pause(kind: str, name: str) -> dict[str, Any]:
    """Pauses a stage, a priority class, a tenant or a model revision, and returns the pause.

    Workers claim no picture that the pause concerns. What they hold goes on to its end. New jobs are accepted and wait.
    Time limits of jobs (`start_timeout_s`, `deadline`) go on. A repeated request replaces the reason. Needs the scope
    `operator` as well.
    """
    of, own = _kind(kind, name), caller().key
    asked = read_optional(PauseRequest)
    audit.note(reason=asked.reason)
    return PausedResponse.of(services().pauses.pause(of, name, asked.reason, own.key_id if own else "")).model_dump(
        mode="json"
    )


@pauses.delete("/<kind>/<name>")
def resume(kind: str, name: str) -> tuple[str, int]:
    """Resumes what was paused, and returns 204. Workers claim it within 2 s. Needs the scope `operator` as well."""
    deps = services()
    if not deps.pauses.resume(_kind(kind, name), name):
        raise PauseNotFound(f"{kind} {name} is not paused")
    for queue in (Queue.AR, Queue.DIT):
        deps.hints.send_one(queue)
    return "", 204


def _kind(kind: str, name: str) -> PauseKind:
    """Returns the kind of a pause. Raises `InvalidRequest` if there is no such kind, or none of this name."""
    if kind not in set(PauseKind):
        raise InvalidRequest(f"must be {', '.join(PauseKind)}", "kind")
    if fault := PauseKind(kind).fault_of(name):
        raise InvalidRequest(fault, "name")
    return PauseKind(kind)
