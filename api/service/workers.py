"""The route `/v1/workers`, which lists the live workers, their devices, and the pictures that they hold."""

from typing import Any, Literal, Self

from flask import Blueprint
from pydantic import BaseModel, Field

from api.edge.authentication import caller, is_operator
from api.operators.draining import DrainResponse
from api.services import services
from shared.jobs.states import Stage
from shared.responses.schemas import Moment, StepsResponse
from shared.schedule.sizes import SizeClass
from shared.store.queues.workers import HeldPicture, LiveWorker

workers = Blueprint("workers", __name__, url_prefix="/v1/workers")


class HeldResponse(BaseModel):
    """A picture that a worker holds, and when its stage began."""

    job_id: str
    tenant: str
    index: int
    since: Moment
    progress: StepsResponse | None


class SizeResponse(BaseModel):
    """A size of pictures that a worker can render. Sizes are those of squares; other shapes may have as many pixels."""

    picture: str = Field(description="the largest picture of this size, such as `2048x2048`")
    conditions: str | None = Field(
        description="how large the condition images of such a picture may be in all; null: it can't have any"
    )

    @classmethod
    def of(cls, size: SizeClass) -> Self:
        conditions = SizeClass(size.conditions_side_px).words if size.conditions_side_px else None
        return cls(picture=SizeClass(size.side_px).words, conditions=conditions)


class WorkerResponse(BaseModel):
    """A live worker of a stage."""

    id: str | None = Field(
        description="contains the host name and the process id; null for an API key without the scope operator"
    )
    stage: Stage
    device: str | None = Field(description="such as `NVIDIA H100 80GB HBM3`, `cpu` or `simulated`; null: unknown")
    revision: str | None = Field(description="the model weights that the worker serves; null: unknown")
    slots: int = Field(description="the number of pictures that the worker can render at once")
    sizes: list[SizeResponse] = Field(
        description="the sizes that fit into the memory of the worker, smallest pictures first. It renders no others"
    )
    state: Literal["working", "draining", "drained"] = Field(
        description="draining: the worker takes no more work, and still holds some; drained: it holds none any more"
    )
    is_draining: bool = Field(description="true: the worker takes no more work")
    drain: DrainResponse | None = Field(
        description="the drain that an operator began; null: none, or an API key without the scope operator"
    )
    step_s: float | None = Field(
        description="mean seconds of a step, to two digits: a decode step (ar) or a denoise step (dit). Null: unknown"
    )
    num_held: int | None = Field(
        description="the number of pictures of all tenants that the worker holds; null for an API key without the "
        "scope operator"
    )
    held: list[HeldResponse] = Field(
        description="these pictures, at most 64; for an API key without the scope operator those of its tenant"
    )


class WorkersPage(BaseModel):
    """The live workers of both stages, at most 100 of each. `total` counts all of them."""

    data: list[WorkerResponse]
    total: int


@workers.get("")
def index() -> dict[str, Any]:
    """Returns the live workers of both stages. Of the pictures that they hold, it names only those of the tenant,
    or all to a caller with the scope `operator`.

    An API key with the scope operator may ask as well.
    """
    found, total = services().workers.workers()
    return WorkersPage(data=[_answer(worker) for worker in found], total=total).model_dump(mode="json")


def _answer(worker: LiveWorker) -> WorkerResponse:
    own, sees_all = caller().tenant, is_operator()
    is_stopping = worker.is_draining or worker.drain is not None
    return WorkerResponse(
        id=worker.worker_id if sees_all else None,
        stage=worker.stage,
        device=worker.machine.device or None,
        revision=worker.revision or None,
        slots=worker.slots,
        sizes=[SizeResponse.of(size) for size in worker.sizes.bounds],
        state="working" if not is_stopping else "draining" if worker.num_held else "drained",
        is_draining=is_stopping,
        drain=DrainResponse.of(worker.drain) if worker.drain and sees_all else None,
        step_s=worker.machine.step_s or None,
        num_held=worker.num_held if sees_all else None,
        held=[_held(each) for each in worker.held if sees_all or each.tenant == own],
    )


def _held(picture: HeldPicture) -> HeldResponse:
    steps = picture.progress
    progress = StepsResponse(done=steps.done, total=steps.total) if steps.total else None
    return HeldResponse(
        job_id=picture.job_id,
        tenant=picture.tenant,
        index=picture.index,
        since=picture.since,
        progress=progress,
    )
