"""Short ways to say what a test is about."""

from datetime import UTC, datetime
from typing import Any, Protocol

from shared.geometry import GridSize
from shared.ids import JobId, ObjectKey, Revision, WorkerId, new_job_id
from shared.jobs.job import ClientName, Job, Picture, PriorSource
from shared.jobs.leases import Claim, Lease
from shared.jobs.spec import JobSpec, RenderSettings
from shared.jobs.states import Stage
from shared.jobs.token_grid import Prior, TokenGrid
from shared.store.renders.leases import LeaseRules
from shared.store.webhooks.deliveries import AttemptResult, DeliveryRules, Room

REVISION = Revision("r1")
WORKER_ID = WorkerId("w")
RULES = LeaseRules(ttl_s=30, prior_ready_limit_min=16)
DELIVERY_RULES = DeliveryRules(lease_ttl_s=30, concurrency=8, log_s=3600)
A_LOT = Room(100, 100, 100, 100)
AN_ATTEMPT = AttemptResult("https://a.example/", datetime(2027, 1, 15, tzinfo=UTC), 0.25, 200, "", "ok")


class Jobs(Protocol):
    """The real store of jobs, or its twin."""

    def submit(
        self, job_id: JobId, spec: JobSpec, *, name: ClientName | None = None, source: PriorSource | None = None
    ) -> Job: ...


class Leases(Protocol):
    """The real store of leases, or its twin."""

    def claim(self, stage: Stage, revision: Revision, worker: WorkerId) -> Claim | None: ...

    def finish_prior(self, lease: Lease, prior: Prior) -> None: ...

    def finish_picture(self, lease: Lease, picture: Picture) -> bool: ...


def a_spec(n: int = 1, seed: int = 7, **changes: Any) -> JobSpec:
    settings = RenderSettings(prompt="a red kite", width_px=256, height_px=256)
    return JobSpec(settings=settings, n=n, seed=seed, **changes)


def submitted(store: Jobs, n: int = 1, **changes: Any) -> Job:
    return store.submit(new_job_id(), a_spec(n, **changes))


def message_id(job_id: JobId, end: str) -> str:
    """Of a job's first end."""
    return f"evt_{job_id.removeprefix('job_')}_job_{end}"


def a_prior(token: int = 5) -> Prior:
    return Prior(TokenGrid(GridSize(8, 8), (token,) * 64))


def a_picture() -> Picture:
    return Picture(ObjectKey("jobs/x/a.png"), ObjectKey("jobs/x/a.json"), "0" * 64, 123, "image/png")


def finish_next(leases: Leases) -> None:
    """Takes the oldest waiting render through both stages."""
    prior = leases.claim(Stage.AR, REVISION, WORKER_ID)
    assert prior
    leases.finish_prior(prior.lease, a_prior())
    decode = leases.claim(Stage.DIT, REVISION, WORKER_ID)
    assert decode
    leases.finish_picture(decode.lease, a_picture())
