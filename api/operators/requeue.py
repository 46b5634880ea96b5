"""The route with which operators move waiting work to another model revision."""

from typing import Annotated, Any

from flask import Blueprint
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from api.access.key_schemas import tenant_of
from api.bodies.documents import body_document
from api.edge import audit
from api.services import services
from shared.hints.queues import Queue
from shared.ids import Revision
from shared.intake.fields import validated
from shared.intake.types import Tenant, Text
from shared.jobs.pauses import PauseKind

requeue = Blueprint("requeue", __name__, url_prefix="/v1/requeue")


def _revision(text: str) -> str:
    if fault := PauseKind.REVISION.fault_of(text):
        raise PydanticCustomError("revision", "{why}", {"why": fault})
    return text


RevisionName = Annotated[
    Text, AfterValidator(_revision), Field(min_length=1, max_length=128, examples=["4f3a2b1c0d9e"])
]


class RequeueRequest(BaseModel):
    """The body of a request to move waiting work to another model revision."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)

    to: RevisionName = Field(
        description="the model revision that is to render the work; a live AR worker must serve it"
    )
    source: RevisionName | None = Field(
        default=None, alias="from", description="only work that waits for this revision; default: for any other one"
    )
    tenant: Tenant | None = Field(default=None, description="only work of this tenant; default: of all tenants")


class RequeueResponse(BaseModel):
    """How many waiting pictures were moved to the revision `to`."""

    to: str
    moved: int


@requeue.post("")
def move() -> dict[str, Any]:
    """Moves waiting pictures to another model revision, and returns their number.

    Only jobs move of which no worker has claimed a picture yet. Jobs that a worker has claimed are bound to the
    revision of that worker. Moved jobs keep their place by age. A repeated request is harmless. Needs the scope
    `operator` as well.
    """
    asked, deps = validated(RequeueRequest, body_document().value), services()
    source = Revision(asked.source) if asked.source else None
    audit.note(to=asked.to, source=asked.source, of_tenant=asked.tenant)
    moved = deps.requeue.move(Revision(asked.to), source=source, tenant=tenant_of(asked.tenant))
    audit.note(moved=moved)
    if moved:
        deps.hints.send_one(Queue.AR)
    return RequeueResponse(to=asked.to, moved=moved).model_dump(mode="json")
