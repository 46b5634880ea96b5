"""Text checks in the store: a picture is drawn again or kept, once, and the work is counted once."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from shared.ids import DEFAULT_TENANT, ObjectKey, TenantId, WorkerId
from shared.jobs.drawings import Drawing, Keep, decide
from shared.jobs.job import Job, Picture, Render
from shared.jobs.leases import Claim
from shared.jobs.states import JobStatus, RenderState, Stage
from shared.jobs.text_check import Reading, TextCheck
from shared.jobs.usage import usage_of
from shared.store.checks.checks import CheckClaim, CheckStore, TextCheckStore
from shared.store.core.connect import Client
from shared.store.core.scripts import Scripts
from shared.store.jobs.jobs import JobStore
from shared.store.queues.upkeep import UpkeepStore
from shared.store.renders.handovers import HandoverStore
from shared.store.renders.leases import LeaseStore
from shared.store.usage.usage import UsageStore
from tests.shared.store.builders import REVISION, RULES, WORKER_ID, a_prior, submitted
from tests.shared.store.clocks import StoreClock

LEASE_S = 25.0
ERROR = {"code": "content_rejected", "message": "refused", "stage": None, "retryable": False}


@pytest.fixture
def clock(client: Client, still_clock: None) -> StoreClock:
    return StoreClock(client)


@pytest.fixture
def jobs(client: Client, clock: StoreClock) -> JobStore:
    return JobStore(client)


@pytest.fixture
def leases(client: Client) -> LeaseStore:
    return LeaseStore(client, RULES)


@pytest.fixture
def texts(client: Client) -> TextCheckStore:
    return TextCheckStore(client, LEASE_S)


def with_text(jobs: JobStore, redraws: int = 3, **changes: Any) -> Job:
    return submitted(jobs, text_check=TextCheck(redraws=redraws), **changes)


def drawn(leases: LeaseStore) -> Claim:
    """Renders the next picture up to its text check."""
    prior = leases.claim(Stage.AR, REVISION, WORKER_ID)
    assert prior
    leases.finish_prior(prior.lease, a_prior(prior.seed), device_s=0.25)
    decode = leases.claim(Stage.DIT, REVISION, WORKER_ID)
    assert decode
    assert (decode.checks_text, decode.prior, decode.seed) == (True, a_prior(prior.seed), prior.seed)
    leases.finish_picture(decode.lease, picture_of(decode), usage_of(decode, picture_of(decode), 0.5), to_check=True)
    return decode


def picture_of(claim: Claim) -> Picture:
    folder = claim.folder
    key, manifest = ObjectKey(f"{folder}/image.png"), ObjectKey(f"{folder}/manifest.json")
    return Picture(key, manifest, str(claim.seed) * 8, 1000 + claim.seed, "image/png")


def read(texts: TextCheckStore, distance: float, *, to_check: bool = False) -> bool:
    """Carries out the next text check, in which the text has this distance."""
    claim = texts.claim()
    assert claim
    return record(texts, claim, distance, to_check=to_check)


def record(texts: TextCheckStore, claim: CheckClaim, distance: float, *, to_check: bool = False) -> bool:
    assert claim.picture
    assert claim.seed is not None
    assert claim.index is not None
    reading = Reading(text=f"read {distance}", is_match=distance == 0, edit_distance=distance)
    new = Drawing(picture=claim.picture, seed=claim.seed, reading=reading)
    decision = decide(claim.spec, claim.index, claim.drawings, new, used=claim.used)
    if isinstance(decision, Keep):
        return texts.keep(claim, decision, to_check=to_check)
    return texts.redraw(claim, decision)


def render_of(jobs: JobStore, job: Job) -> Render:
    return jobs.job_of_any_tenant(job.job_id).renders[0]


def objects_of(*pictures: Picture) -> set[str]:
    return {key for each in pictures for key in (each.key, each.manifest_key, each.grid_key)}


def deleted(client: Client) -> set[str]:
    return set(HandoverStore(client).ended(100))


def test_a_picture_with_right_text_is_kept_at_once(
    jobs: JobStore, leases: LeaseStore, texts: TextCheckStore, client: Client
) -> None:
    job = with_text(jobs)
    picture = picture_of(drawn(leases))
    assert render_of(jobs, job).picture is None
    assert read(texts, 0)
    done = jobs.job_of_any_tenant(job.job_id)
    [render] = done.renders
    assert (done.status, render.picture, render.seed) == (JobStatus.SUCCEEDED, picture, 7)
    assert render.text
    assert (render.text.num_redraws, render.text.reading and render.text.reading.is_match) == (0, True)
    assert deleted(client) == set()


@pytest.mark.parametrize(
    ("distances", "kept"),
    [([0.5, 0.25, 0.0], 2), ([0.5, 0.25, 0.75, 0.5], 1), ([0.1, 0.2, 0.3, 0.4], 0), ([0.5, 0.5, 0.5, 0.25], 3)],
)
def test_a_picture_with_wrong_text_is_drawn_again_with_the_next_seeds(
    jobs: JobStore, leases: LeaseStore, texts: TextCheckStore, client: Client, distances: list[float], kept: int
) -> None:
    job = with_text(jobs)
    claims = []
    for distance in distances:
        claims.append(drawn(leases))
        assert read(texts, distance)
        if len(claims) < len(distances):
            waiting = render_of(jobs, job)
            assert (waiting.state, waiting.picture, waiting.prior_ready_at) == (RenderState.QUEUED, None, None)
    assert [claim.seed for claim in claims] == [7 + number for number in range(len(distances))]
    pictures = list(map(picture_of, claims))
    [render] = jobs.job_of_any_tenant(job.job_id).renders
    assert (render.picture, render.seed) == (pictures[kept], 7 + kept)
    assert render.num_tries == 1
    assert render.text
    assert render.text.reading
    assert (render.text.num_redraws, render.text.reading.edit_distance) == (len(distances) - 1, distances[kept])
    assert deleted(client) == objects_of(*(each for each in pictures if each != pictures[kept]))
    today = date(2099, 1, 1)
    [row] = UsageStore(client).rows(DEFAULT_TENANT, date(1970, 1, 1), today)
    single, num = usage_of(claims[0], pictures[kept], 0.5).amounts, len(distances)
    assert (row.amounts.pictures, row.amounts.stored_bytes) == (1, pictures[kept].num_bytes)
    assert row.amounts.denoise_steps == num * single.denoise_steps
    assert (row.amounts.ar_device_ms, row.amounts.dit_device_ms) == (num * 250, num * 500)


def test_pictures_of_a_job_are_drawn_again_with_seeds_of_their_own(
    jobs: JobStore, leases: LeaseStore, texts: TextCheckStore
) -> None:
    job = with_text(jobs, redraws=1, n=2)
    seeds = []
    for distance in (0.5, 0.0, 0.5, 0.0):
        seeds.append(drawn(leases).seed)
        assert read(texts, distance)
    assert sorted(seeds) == [7, 8, 9, 10]
    assert [each.seed for each in jobs.job_of_any_tenant(job.job_id).renders] == [9, 10]


def test_a_decision_is_written_once(
    jobs: JobStore, leases: LeaseStore, texts: TextCheckStore, client: Client, clock: StoreClock
) -> None:
    with_text(jobs)
    drawn(leases)
    slow = texts.claim()
    assert slow
    assert texts.claim() is None
    clock.advance(LEASE_S + 1)
    again = texts.claim()
    assert again
    assert (again.attempt, again.picture) == (2, slow.picture)
    assert not record(texts, slow, 0.5)
    assert record(texts, again, 0.5)
    assert not record(texts, again, 0.0)
    assert leases.claim(Stage.AR, REVISION, WORKER_ID)


def test_the_text_check_of_a_worker_that_was_seen_to_end_is_due_at_once(
    jobs: JobStore, leases: LeaseStore, client: Client
) -> None:
    with_text(jobs)
    drawn(leases)
    texts = TextCheckStore(client, LEASE_S, WorkerId("delivery-1"))
    assert texts.claim()
    assert texts.claim() is None
    UpkeepStore(client).take_back(WorkerId("delivery-1"), 5)
    assert texts.claim()


def test_a_worker_that_dies_in_a_redraw_costs_no_redraw(
    jobs: JobStore, leases: LeaseStore, texts: TextCheckStore
) -> None:
    job = with_text(jobs, redraws=1)
    drawn(leases)
    read(texts, 0.5)
    lost = leases.claim(Stage.AR, REVISION, WORKER_ID)
    assert lost
    leases.hand_back(lost.lease)
    assert drawn(leases).seed == lost.seed == 8
    read(texts, 0.75)
    assert render_of(jobs, job).seed == 7


def cancelled(jobs: JobStore, job: Job, leases: LeaseStore) -> None:
    jobs.cancel(job.job_id, DEFAULT_TENANT)


def failed(jobs: JobStore, job: Job, leases: LeaseStore) -> None:
    prior = leases.claim(Stage.AR, REVISION, WORKER_ID)
    assert prior
    leases.fail(prior.lease, ERROR)


@pytest.mark.parametrize("end", [cancelled, failed])
def test_a_redraw_that_ends_without_a_picture_begins_anew_when_it_is_retried(
    jobs: JobStore,
    leases: LeaseStore,
    texts: TextCheckStore,
    client: Client,
    end: Callable[[JobStore, Job, LeaseStore], None],
) -> None:
    job = with_text(jobs)
    first = picture_of(drawn(leases))
    read(texts, 0.5)
    end(jobs, job, leases)
    render = render_of(jobs, job)
    assert (render.picture, render.seed, render.text) == (None, 7, None)
    assert deleted(client) == objects_of(first)
    jobs.retry(jobs.job_of_any_tenant(job.job_id), None)
    assert drawn(leases).seed == 7
    read(texts, 0)
    assert jobs.job_of_any_tenant(job.job_id).status is JobStatus.SUCCEEDED


def test_a_job_that_is_cancelled_before_its_text_check_leaves_nothing(
    jobs: JobStore, leases: LeaseStore, texts: TextCheckStore, client: Client
) -> None:
    job = with_text(jobs)
    picture = picture_of(drawn(leases))
    claim = texts.claim()
    assert claim
    jobs.cancel(job.job_id, DEFAULT_TENANT)
    assert not record(texts, claim, 0)
    assert texts.claim() is None
    assert deleted(client) == objects_of(picture)


@pytest.mark.parametrize("is_allowed", [True, False])
def test_the_content_check_sees_only_the_picture_that_is_kept(
    jobs: JobStore, leases: LeaseStore, texts: TextCheckStore, client: Client, is_allowed: bool
) -> None:
    job, checks = with_text(jobs, redraws=1), CheckStore(client, LEASE_S)
    first = picture_of(drawn(leases))
    assert checks.claim() is None
    read(texts, 0.25, to_check=True)
    drawn(leases)
    read(texts, 0.5, to_check=True)
    assert render_of(jobs, job).picture is None
    check = checks.claim()
    assert check
    assert check.picture == first
    assert checks.allow(check) if is_allowed else checks.fail(check, ERROR)
    render = render_of(jobs, job)
    assert (render.picture, render.seed) == (first if is_allowed else None, 7)
    if not is_allowed:  # the grid of the redraw does not belong to the first seed, with which a retry begins
        jobs.retry(jobs.job_of_any_tenant(job.job_id), None)
        assert drawn(leases).seed == 7


def test_a_tenant_at_its_limit_is_drawn_again(
    jobs: JobStore, leases: LeaseStore, texts: TextCheckStore, client: Client
) -> None:
    client.hset(f"gridpress:limits:{DEFAULT_TENANT}", "concurrent_renders", "1")
    with_text(jobs)
    drawn(leases)
    assert read(texts, 0.5)
    assert drawn(leases).seed == 8


def test_each_tenants_picture_gets_its_own_decision(jobs: JobStore, leases: LeaseStore, texts: TextCheckStore) -> None:
    mine, theirs = (with_text(jobs, tenant=TenantId(name)) for name in ("mine", "theirs"))
    drawn(leases)
    drawn(leases)
    for _ in range(2):
        claim = texts.claim()
        assert claim
        record(texts, claim, 0.0 if claim.spec.tenant == "mine" else 0.5)
    assert render_of(jobs, mine).state is RenderState.SUCCEEDED
    assert render_of(jobs, theirs).state is RenderState.QUEUED


def test_waiting_text_checks_are_unfinished_work(
    jobs: JobStore, leases: LeaseStore, texts: TextCheckStore, client: Client
) -> None:
    with_text(jobs)
    drawn(leases)
    assert Scripts(client).run("has_work") == 1
    read(texts, 0)
    assert Scripts(client).run("has_work") == 0
