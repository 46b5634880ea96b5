"""Takes renders to their end as workers do, with the time of devices, so that usage is counted."""

from shared.ids import TenantId
from shared.jobs.leases import Claim
from shared.jobs.states import Stage
from shared.jobs.usage import Used, usage_of
from shared.store.core.connect import Client
from shared.store.core.scripts import FILES
from shared.store.renders.leases import LeaseStore
from tests.shared.store.builders import REVISION, WORKER_ID, a_picture, a_prior

A_TIME_MS = 1_800_000_000_000


def decoding(leases: LeaseStore, device_s: float = 1.5) -> Claim:
    """Takes the first waiting render through AR and claims it for the DiT."""
    prior = leases.claim(Stage.AR, REVISION, WORKER_ID)
    assert prior
    leases.finish_prior(prior.lease, a_prior(), device_s=device_s)
    claim = leases.claim(Stage.DIT, REVISION, WORKER_ID)
    assert claim
    return claim


def finish(leases: LeaseStore, claim: Claim, device_s: float = 2.25) -> Used:
    used = usage_of(claim, a_picture(), device_s)
    leases.finish_picture(claim.lease, a_picture(), used)
    return used


def count(client: Client, used: Used, tenant: TenantId, now_ms: int = A_TIME_MS) -> None:
    """Runs `count_usage` alone."""
    parts = FILES["keys"].read_text() + FILES["count_usage"].read_text()
    client.eval(f"{parts}\ncount_usage(ARGV[1], ARGV[2], tonumber(ARGV[3]))", 0, tenant, used.as_text(), str(now_ms))
