"""Content checks from claim to outcome, over the real stores and a hook on loopback."""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from shared.ids import DEFAULT_TENANT, HolderId, ObjectKey, TenantId, new_job_id
from shared.jobs.job import Job, Picture
from shared.jobs.states import JobStatus, RenderState, Stage
from shared.objects.store import ObjectStore
from shared.settings.settings import Settings
from shared.store.checks.checks import CheckClaim, CheckStore
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.renders.handovers import HandoverStore
from shared.store.renders.leases import LeaseStore
from tests.shared.store.builders import REVISION, RULES, WORKER_ID, a_prior, a_spec, submitted
from tests.workers.delivery.content.hooks import REJECT, FakeHook, a_hook, hooking
from workers.delivery.content.question import Questions
from workers.delivery.content.service import CheckService
from workers.upkeep.handovers import delete_handovers

DATA = b"the bytes of a picture"


@dataclass
class Shop:
    """The service with a hook, beside the stores."""

    client: Client
    objects: ObjectStore
    settings: Settings
    hook: FakeHook
    fails_open: bool = False
    sends_links: bool = True
    timeout_s: float = 30

    def __post_init__(self) -> None:
        self.jobs = JobStore(self.client, checks_prompts=True)
        self.leases = LeaseStore(self.client, RULES)
        self.checks = CheckStore(self.client, 60)
        self.ended: list[CheckClaim] = []

    @property
    def service(self) -> CheckService:
        asked = a_hook(self.hook.url, self.settings, timeout_s=self.timeout_s)
        questions = Questions(self.objects, self.sends_links)
        return CheckService(self.checks, questions, asked, asked, self.fails_open, self.ended.append)

    def job(self, job: Job) -> Job:
        return self.jobs.job_of_any_tenant(job.job_id)

    def rendered(self, **changes: object) -> tuple[Job, Picture]:
        """A job whose only picture is stored and waits for its check."""
        job = submitted(JobStore(self.client), **changes)
        prior = self.leases.claim(Stage.AR, REVISION, WORKER_ID)
        assert prior
        self.leases.finish_prior(prior.lease, a_prior())
        decode = self.leases.claim(Stage.DIT, REVISION, WORKER_ID)
        assert decode
        key, manifest = ObjectKey(f"{decode.folder}/image.png"), ObjectKey(f"{decode.folder}/manifest.json")
        picture = Picture(key, manifest, hashlib.sha256(DATA).hexdigest(), len(DATA), "image/png")
        for each in (key, manifest, picture.grid_key):
            self.objects.put(each, DATA, "image/png")
        self.leases.finish_picture(decode.lease, picture, to_check=True)
        return job, picture


@pytest.fixture
def hook() -> Iterator[FakeHook]:
    with hooking() as known:
        yield known


@pytest.fixture
def shop(client: Client, objects: ObjectStore, s3_settings: Settings, hook: FakeHook) -> Shop:
    return Shop(client, objects, s3_settings, hook)


def test_an_allowed_prompt_goes_on_to_ar(shop: Shop) -> None:
    job = submitted(shop.jobs, metadata={"order": "7"})
    assert shop.service.check_one()
    assert not shop.service.check_one()
    [asked] = shop.hook.questions
    assert asked["type"] == "content.prompt"
    assert asked["data"] == {
        "job_id": job.job_id,
        "tenant": DEFAULT_TENANT,
        "prompt": job.spec.settings.prompt,
        "revised_prompt": None,
        "width": 256,
        "height": 256,
        "metadata": {"order": "7"},
        "n": 1,
        "images": [],
    }
    assert shop.leases.claim(Stage.AR, REVISION, WORKER_ID)
    assert [claim.job_id for claim in shop.ended] == [job.job_id]


def test_a_rejected_prompt_ends_its_job_with_the_policys_reason(shop: Shop) -> None:
    shop.hook.answers = [(200, REJECT)]
    job = submitted(shop.jobs)
    shop.service.check_one()
    ended = shop.job(job)
    assert ended.status is JobStatus.REJECTED
    assert ended.error == {
        "code": "content_rejected",
        "message": "the content policy refused the prompt: no weapons",
        "stage": None,
        "retryable": False,
        "policy": {"code": "violence", "reason": "no weapons"},
    }


@pytest.mark.parametrize("sends_links", [True, False])
def test_a_hook_sees_the_condition_images_of_an_edit(shop: Shop, sends_links: bool) -> None:
    shop.sends_links = sends_links
    keys = tuple(ObjectKey(f"inputs/default/{name}.png") for name in "ab")
    for key in keys:
        shop.objects.put(key, key.encode(), "image/png")
    spec = a_spec()
    edit = spec.model_copy(update={"settings": spec.settings.model_copy(update={"images": keys})})
    job_id = new_job_id()
    claim = CheckClaim(job_id, job_id, edit, 1, HolderId("h"))
    body = Questions(shop.objects, sends_links).of(claim).body
    images = httpx.Response(200, content=body).json()["data"]["images"]
    found = [httpx.get(each["url"]).content if sends_links else base64.b64decode(each["b64_json"]) for each in images]
    assert found == [key.encode() for key in keys]
    assert {each["content_type"] for each in images} == {"image/png"}


@pytest.mark.parametrize("sends_links", [True, False])
def test_an_allowed_picture_becomes_readable(shop: Shop, sends_links: bool) -> None:
    shop.sends_links = sends_links
    job, picture = shop.rendered()
    assert shop.job(job).renders[0].picture is None
    shop.service.check_one()
    done = shop.job(job)
    assert (done.status, done.renders[0].picture) == (JobStatus.SUCCEEDED, picture)
    [asked] = shop.hook.questions
    shown = asked["data"]["picture"]
    data = httpx.get(shown["url"]).content if sends_links else base64.b64decode(shown["b64_json"])
    assert (asked["type"], asked["data"]["index"], data) == ("content.picture", 0, DATA)
    assert (shown["sha256"], shown["bytes"]) == (picture.sha256, len(DATA))


def test_a_rejected_picture_is_deleted(shop: Shop) -> None:
    shop.hook.answers = [(200, REJECT)]
    job, picture = shop.rendered()
    shop.service.check_one()
    ended = shop.job(job)
    assert (ended.status, ended.renders[0].state) == (JobStatus.REJECTED, RenderState.REJECTED)
    assert ended.renders[0].picture is None
    assert ended.error
    assert (ended.error["stage"], ended.error["policy"]) == ("dit", {"code": "violence", "reason": "no weapons"})
    delete_handovers(HandoverStore(shop.client), shop.objects)
    for key in (picture.key, picture.manifest_key, picture.grid_key):
        assert not shop.objects.has(key)


BAD = [(500, b""), (200, b"garbage"), (302, b""), (200, b"x" * 100_000)]


@pytest.mark.parametrize("answer", BAD)
def test_without_a_verdict_a_closed_hook_fails_the_job_which_may_be_retried(
    shop: Shop, answer: tuple[int, bytes]
) -> None:
    shop.hook.answers = [answer]
    job = submitted(shop.jobs)
    shop.service.check_one()
    ended = shop.job(job)
    assert ended.status is JobStatus.FAILED
    assert ended.error
    assert (ended.error["code"], ended.error["retryable"]) == ("content_check_failed", True)
    assert "127.0.0.1" not in str(ended.error["message"])


@pytest.mark.parametrize("answer", BAD)
def test_without_a_verdict_an_open_hook_lets_the_picture_pass(shop: Shop, answer: tuple[int, bytes]) -> None:
    shop.hook.answers, shop.fails_open = [answer], True
    job, picture = shop.rendered()
    shop.service.check_one()
    assert shop.job(job).renders[0].picture == picture


@pytest.mark.parametrize(("fails_open", "status"), [(True, JobStatus.QUEUED), (False, JobStatus.FAILED)])
def test_a_hook_that_hangs_runs_into_the_time_limit(shop: Shop, fails_open: bool, status: JobStatus) -> None:
    shop.hook.gate.clear()
    shop.timeout_s, shop.fails_open = 0.2, fails_open
    job = submitted(shop.jobs)
    shop.service.check_one()
    assert shop.job(job).status is status
    assert (shop.leases.claim(Stage.AR, REVISION, WORKER_ID) is not None) == fails_open


def test_a_verdict_about_a_job_that_was_cancelled_meanwhile_is_lost(shop: Shop) -> None:
    job = submitted(shop.jobs)
    claim = shop.checks.claim()
    assert claim
    shop.jobs.cancel(job.job_id, DEFAULT_TENANT)
    shop.service.carry_out(claim)
    assert shop.job(job).status is JobStatus.CANCELLED


def test_a_check_whose_workers_die_is_given_up_without_another_request(shop: Shop) -> None:
    job = submitted(shop.jobs)
    for _ in range(3):
        assert shop.checks.claim()
        shop.client.zadd("gridpress:checks:interactive", {job.job_id: 0})
    shop.service.check_one()
    assert shop.hook.heard == []
    assert shop.job(job).status is JobStatus.FAILED


def test_a_missing_picture_is_not_allowed(shop: Shop) -> None:
    shop.sends_links = False
    job, picture = shop.rendered()
    shop.objects.delete(picture.key)
    shop.service.check_one()
    assert shop.job(job).status is JobStatus.FAILED


def test_a_check_without_a_hook_follows_the_setting(shop: Shop) -> None:
    job = submitted(shop.jobs)
    hookless = CheckService(shop.checks, Questions(shop.objects, True), None, None, fails_open=False)
    assert hookless.check_one()
    assert shop.job(job).status is JobStatus.FAILED


def test_a_bug_of_ours_is_no_verdict(shop: Shop) -> None:
    class Broken:
        def ask(self, question: object) -> None:
            raise KeyError("a bug")

    job = submitted(shop.jobs)
    broken = CheckService(shop.checks, Questions(shop.objects, True), Broken(), None, fails_open=False)  # type: ignore[arg-type]
    assert broken.check_one()
    assert shop.job(job).status is JobStatus.FAILED


def test_each_tenants_job_gets_the_verdict_about_its_own_prompt(shop: Shop) -> None:
    mine = submitted(shop.jobs, tenant=TenantId("mine"))
    theirs = submitted(shop.jobs, tenant=TenantId("theirs"))
    shop.hook.answer_to = lambda asked: (200, REJECT if asked["data"]["tenant"] == "mine" else b'{"decision":"allow"}')
    while shop.service.check_one():
        pass
    assert [shop.job(each).status for each in (mine, theirs)] == [JobStatus.REJECTED, JobStatus.QUEUED]
    assert {each["data"]["job_id"]: each["data"]["tenant"] for each in shop.hook.questions} == {
        mine.job_id: "mine",
        theirs.job_id: "theirs",
    }
