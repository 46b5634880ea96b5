"""Short ways to say what a test is about."""

from typing import Any

from shared.geometry import GridSize
from shared.ids import ObjectKey, Revision, new_job_id
from shared.jobs import Job, JobSpec, Picture, RenderSettings
from shared.states import Stage
from shared.store.connect import Client
from shared.store.jobs import JobStore
from shared.store.leases import LeaseRules, LeaseStore
from shared.token_grid import Prior, TokenGrid

REVISION = Revision("r1")
RULES = LeaseRules(ttl_s=30, prior_ready_limit_min=16)


def a_spec(n: int = 1, seed: int = 7, **changes: Any) -> JobSpec:
    settings = RenderSettings(prompt="a red kite", width_px=256, height_px=256)
    return JobSpec(settings=settings, n=n, seed=seed, **changes)


def submitted(store: JobStore, n: int = 1, **changes: Any) -> Job:
    return store.submit(new_job_id(), a_spec(n, **changes))


def a_prior(token: int = 5) -> Prior:
    return Prior(TokenGrid(GridSize(8, 8), (token,) * 64))


def a_picture() -> Picture:
    return Picture(ObjectKey("jobs/x/a.png"), ObjectKey("jobs/x/a.json"), "0" * 64, 123, "image/png")


def finish_next(client: Client) -> None:
    """Takes the oldest waiting render through both stages."""
    leases = LeaseStore(client, RULES)
    prior = leases.claim(Stage.AR, REVISION)
    assert prior
    leases.finish_prior(prior.lease, a_prior())
    decode = leases.claim(Stage.DIT, REVISION)
    assert decode
    leases.finish_picture(decode.lease, a_picture())
