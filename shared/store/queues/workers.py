"""Reads the live workers of both stages: their slots, their health, and the renders that they hold."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shared.ids import JobId, RenderId, Revision, TenantId, WorkerId, split_render_id
from shared.jobs.leases import Progress
from shared.jobs.pauses import Drain
from shared.jobs.states import Stage
from shared.schedule.sizes import ORDINARY_SIZES, Sizes
from shared.schedule.starting_worker import StartingWorker
from shared.schedule.worker_health import Machine
from shared.store.core.connect import Client
from shared.store.core.scripts import Scripts
from shared.store.pauses.pauses import drain_of
from shared.store.queues.starts import StartStore

_MOST_WORKERS, _MOST_RENDERS = 100, 64


@dataclass(frozen=True, slots=True)
class HeldPicture:
    """A render that a worker holds. `since` is the time at which its stage began."""

    job_id: JobId
    index: int
    tenant: TenantId
    since: datetime
    progress: Progress


@dataclass(frozen=True, slots=True)
class LiveWorker:
    """A live worker of a stage.

    `held` has some of its renders, `num_held` is the number of all. `drain` is the drain that an operator began, or
    None. `sizes` are the classes of picture sizes that the worker can render.
    """

    worker_id: WorkerId
    stage: Stage
    slots: int
    revision: Revision
    is_draining: bool
    machine: Machine
    num_held: int
    held: Sequence[HeldPicture]
    drain: Drain | None = None
    sizes: Sizes = ORDINARY_SIZES


class WorkerStore:
    """Reads live workers. Every method raises `StoreUnavailable` when the store does not answer."""

    def __init__(self, client: Client) -> None:
        self._scripts = Scripts(client)
        self._starts = StartStore(client)

    def starting(self) -> Sequence[StartingWorker]:
        """Returns how far the starts of workers are that are not live yet."""
        return self._starts.starting()

    def workers(self) -> tuple[Sequence[LiveWorker], int]:
        """Returns the live workers of both stages, at most 100 of each, and the number of all of them."""
        found = json.loads(self._scripts.run("worker_list", _MOST_WORKERS, _MOST_RENDERS))
        rows = [_worker(stage, fields) for stage in Stage for fields in found[stage]["workers"] or ()]
        return rows, sum(found[stage]["num"] for stage in Stage)


def _worker(stage: Stage, fields: Mapping[str, Any]) -> LiveWorker:
    signs = json.loads(fields["signs"])
    return LiveWorker(
        worker_id=WorkerId(fields["id"]),
        stage=stage,
        slots=fields["slots"],
        revision=Revision(fields["revision"]),
        is_draining=len(signs) > 4 and bool(signs[4]),
        machine=Machine.of(signs[5:]),
        num_held=fields["held"],
        held=[_picture(each) for each in fields["renders"] or ()],
        drain=drain_of(fields["drain"]) if fields["drain"] else None,
        sizes=Sizes.of(fields["sizes"]),
    )


def _picture(fields: Mapping[str, Any]) -> HeldPicture:
    job_id, index = split_render_id(RenderId(fields["render"]))
    since = datetime.fromtimestamp(fields["since"] / 1000, UTC)
    return HeldPicture(job_id, index, TenantId(fields["tenant"]), since, Progress(fields["done"], fields["total"]))
