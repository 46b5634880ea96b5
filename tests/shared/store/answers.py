"""What the state machine asks of either store, in a form in which two stores can be compared."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from shared.errors import DeadlineOver, JobNotFinal, JobNotFound, JobNotRetryable, LeaseLost, TenantLimitReached
from shared.ids import DEFAULT_TENANT, HolderId, JobId, ObjectKey
from shared.jobs.job import Job, PriorSource
from shared.jobs.leases import Claim, Handover
from shared.jobs.spec import JobSpec
from shared.jobs.states import Stage
from shared.store.enhancements.enhancements import EnhancementClaim
from tests.shared.store.builders import A_LOT, AN_ATTEMPT, a_picture, a_prior
from tests.shared.store.world import Leases, World

KEPT_S = 100.0


def submitted(world: World, job_id: JobId, spec: JobSpec, source: PriorSource | None = None) -> object:
    try:
        return world.jobs.submit(job_id, spec, source=source)
    except TenantLimitReached:
        return "refused"


def retried(world: World, job: Job, deadline: datetime | None) -> object:
    try:
        return world.jobs.retry(job, deadline)
    except (DeadlineOver, JobNotRetryable, TenantLimitReached):
        return "refused"


def deleted(world: World, job_id: JobId) -> object:
    try:
        world.jobs.delete(job_id, DEFAULT_TENANT)
    except JobNotFinal:
        return False
    except JobNotFound:
        return "unknown"
    return True


def answer(leases: Leases, claim: Claim, how: str) -> object:
    try:
        if how == "fail":
            return leases.fail(claim.lease, {"code": "test", "message": "", "stage": claim.lease.stage})
        if how == "hand_over":
            key = ObjectKey(f"{claim.render_id}/{claim.lease.fence}")
            leases.keep_handover(key, KEPT_S)
            return leases.hand_back(claim.lease, Handover(key, "digest", claim.lease.fence))
        if how == "hand_back":
            return leases.hand_back(claim.lease)
        if claim.lease.stage is Stage.AR:
            return leases.finish_prior(claim.lease, a_prior())
        return leases.finish_picture(claim.lease, a_picture())
    except LeaseLost:
        return "lost"


def all_deliveries(world: World) -> list[str]:
    """Takes all that is due, once: manifests by their jobs' ids, webhooks by their own."""
    names: list[str] = []
    while claim := world.manifests.claim():
        assert world.manifests.written(claim)
        names.append(claim.job_id)
    while deliveries := world.deliveries.claim(A_LOT):
        assert [world.deliveries.delivered(each, AN_ATTEMPT) for each in deliveries] == [True] * len(deliveries)
        names += [delivery.message_id for delivery in deliveries]
    return names


def finish_enhancement(world: World, claim: EnhancementClaim, how: str) -> bool:
    if how == "succeed":
        return world.enhancements.succeed(claim, "a red kite over a bay")
    if how == "fail":
        return world.enhancements.fail(claim, {"code": "test", "message": ""})
    return world.enhancements.retry_later(claim, 4)


def without_holder(claim: Claim) -> Claim:
    return replace(claim, lease=replace(claim.lease, holder=HolderId("")))


def comparable(answer: Any) -> Any:
    """The twin's errors have no message."""
    if not isinstance(answer, Job):
        return answer
    renders = tuple(
        replace(r, error={"code": r.error["code"], "stage": r.error["stage"]} if r.error else None)
        for r in answer.renders
    )
    enhancement = answer.enhancement
    if enhancement and enhancement.error:
        enhancement = replace(enhancement, error={"code": enhancement.error["code"]})
    return replace(answer, renders=renders, enhancement=enhancement)
