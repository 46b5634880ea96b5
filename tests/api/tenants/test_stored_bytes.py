"""The bytes that a tenant stores are counted exactly, fall with each deletion, and are limited."""

import random
from collections.abc import Callable
from io import BytesIO
from typing import Any, cast

import pytest
from flask.testing import FlaskClient

from api.services import Services
from shared.access.keys import Scope
from shared.access.limits import TenantLimits
from shared.errors import LeaseLost
from shared.files import FileId, Purpose, new_file_id
from shared.ids import ObjectKey, TenantId
from shared.jobs.states import Stage
from shared.store.access.keys import KeyStore
from shared.store.checks.checks import CheckStore
from shared.store.core.connect import Client
from shared.store.files.files import FileStore
from shared.store.jobs.jobs import JobStore
from shared.store.queues.upkeep import UpkeepStore
from shared.store.renders.leases import LeaseStore
from tests.api.access.keyed import ACME, GLOBEX, Keyed
from tests.api.pictures import data_url, png
from tests.shared.store.builders import REVISION, RULES, WORKER_ID, a_picture, a_prior, finish_next, submitted
from workers.upkeep.files import delete_ended_files
from workers.upkeep.inputs import delete_unused_inputs

RED, BLUE = data_url(png(256, 256, "red")), data_url(png(256, 256, "blue"))
PICTURE_BYTES = a_picture().num_bytes
LIMIT = 5000


@pytest.fixture
def acme(http: FlaskClient, client: Client) -> Keyed:
    return Keyed(http, client, Scope.ADMIN)


@pytest.fixture
def globex(http: FlaskClient, client: Client) -> Keyed:
    return Keyed(http, client, Scope.ADMIN, tenant=GLOBEX)


def stored(caller: Keyed) -> int:
    return int(caller.get("/v1/limits")["stored_bytes"]["used"])


def upload(caller: Keyed, num_bytes: int, status: int = 200) -> dict[str, Any]:
    form = {"purpose": "user_data", "file": (BytesIO(b"a" * num_bytes), "a.bin")}
    return caller.post("/v1/files", status, data=form)


def submit(caller: Keyed, *images: str, n: int = 1) -> str:
    asked = {"prompt": "a", "size": "256x256", "n": n, **({"images": images} if images else {})}
    return str(caller.post("/v1/jobs", 202, json=asked)["id"])


def delete(caller: Keyed, path: str) -> None:
    assert caller.send("DELETE", path).status_code in (200, 204)


def upkeep(house: Services, client: Client) -> None:
    """Deletes what is due, also condition images whose hold has not ended."""
    for each in client.zrange("gridpress:inputs_unused", 0, -1):
        client.zadd("gridpress:inputs_unused", {each: 0})
    delete_unused_inputs(house.inputs, house.objects)
    delete_ended_files(FileStore(client), house.objects)


def of_records(house: Services, client: Client, tenant: TenantId) -> int:
    """Returns what the tenant has stored, by its records and by the object store."""
    total = 0
    for job in JobStore(client).jobs(tenant, limit=1000, after=None):
        total += sum(render.picture.num_bytes for render in job.renders if render.picture)
    for file in client.zrange(f"gridpress:files:{tenant}", 0, -1):
        total += int(str(client.hget(f"gridpress:file:{file}", "bytes")))
    for object_key in cast("list[str]", client.hvals(f"gridpress:input_names:{tenant}")):
        total += len(house.objects.get(ObjectKey(object_key)))
    return total


def test_pictures_condition_images_and_files_count_until_they_are_deleted(
    acme: Keyed, globex: Keyed, house: Services, client: Client
) -> None:
    file = upload(acme, 1000)
    assert stored(acme) == 1000
    jobs = [submit(acme, RED, BLUE), submit(acme, RED)]
    with_images = stored(acme)
    assert with_images == of_records(house, client, ACME) > 1000  # each of the two images once
    for _ in jobs:
        finish_next(LeaseStore(client, RULES))
    assert stored(acme) == with_images + 2 * PICTURE_BYTES == of_records(house, client, ACME)
    assert stored(globex) == 0
    delete(acme, f"/v1/files/{file['id']}")
    delete(acme, f"/v1/jobs/{jobs[0]}")
    assert stored(acme) == with_images - 1000 + PICTURE_BYTES
    delete(acme, f"/v1/jobs/{jobs[1]}")
    upkeep(house, client)
    assert (stored(acme), of_records(house, client, ACME)) == (0, 0)
    assert client.keys("gridpress:input_*:acme") == []


def test_whatever_is_said_twice_counts_once(client: Client) -> None:
    jobs, leases, files = JobStore(client), LeaseStore(client, RULES), FileStore(client)
    submitted(jobs, tenant=ACME)
    claim = leases.claim(Stage.AR, REVISION, WORKER_ID)
    assert claim
    leases.finish_prior(claim.lease, a_prior())
    claim = leases.claim(Stage.DIT, REVISION, WORKER_ID)
    assert claim
    for _ in range(3):
        leases.finish_picture(claim.lease, a_picture())
    assert jobs.stored_bytes(ACME) == PICTURE_BYTES
    file = new_file_id()
    files.open(file, ACME)
    for _ in range(3):
        close(files, file, 50)
    assert jobs.stored_bytes(ACME) == PICTURE_BYTES + 50
    files.delete(file, ACME)
    files.take_ended(10)
    files.take_ended(10)
    assert jobs.stored_bytes(ACME) == PICTURE_BYTES


def close(files: FileStore, file: FileId, num_bytes: int) -> None:
    files.close(file, ACME, purpose=Purpose.VISION, filename="a", num_bytes=num_bytes, sha256="0", lifetime_s=None)


def test_a_picture_of_a_lost_lease_does_not_count(client: Client) -> None:
    jobs, leases = JobStore(client), LeaseStore(client, RULES)
    job = submitted(jobs, tenant=ACME)
    claim = leases.claim(Stage.AR, REVISION, WORKER_ID)
    assert claim
    leases.finish_prior(claim.lease, a_prior())
    claim = leases.claim(Stage.DIT, REVISION, WORKER_ID)
    assert claim
    jobs.cancel(job.job_id, ACME)
    with pytest.raises(LeaseLost):
        leases.finish_picture(claim.lease, a_picture())
    assert jobs.stored_bytes(ACME) == 0


def test_a_job_counts_after_its_retention_and_a_file_until_it_expires(acme: Keyed, client: Client) -> None:
    submit(acme)
    finish_next(LeaseStore(client, RULES))
    form = {"purpose": "user_data", "file": (BytesIO(b"abc"), "a"), "expires_after[anchor]": "created_at"}
    acme.post("/v1/files", data={**form, "expires_after[seconds]": "3600"})
    assert stored(acme) == PICTURE_BYTES + 3
    client.delete("gridpress:manifests")
    UpkeepStore(client).purge(-1)
    assert stored(acme) == PICTURE_BYTES + 3, "its objects stay, and an index entry"
    [file] = client.zrange("gridpress:file_ends", 0, -1)
    client.zadd("gridpress:file_ends", {file: 0})
    FileStore(client).take_ended(10)
    assert stored(acme) == PICTURE_BYTES


def test_what_an_earlier_release_has_stored_is_never_subtracted(acme: Keyed, house: Services, client: Client) -> None:
    old = submit(acme, RED)
    finish_next(LeaseStore(client, RULES))
    file = upload(acme, 10)["id"]
    client.delete("gridpress:stored:acme", "gridpress:input_bytes:acme")
    client.hdel(f"gridpress:render:{old}:0000", "stored")
    client.hdel(f"gridpress:file:{file}", "stored")
    upload(acme, 5)
    delete(acme, f"/v1/jobs/{old}")
    delete(acme, f"/v1/files/{file}")
    upkeep(house, client)
    assert stored(acme) == 5


def asks(done: str) -> dict[str, tuple[str, str, dict[str, Any]]]:
    """New work of every kind that stores something."""
    edit = {"prompt": "a", "images": [RED], "size": "256x256"}
    return {
        "job": ("POST", "/v1/jobs", {"json": {"prompt": "a"}}),
        "edit": ("POST", "/v1/jobs", {"json": edit}),
        "named job": ("PUT", "/v1/jobs/poster", {"json": {"prompt": "a"}}),
        "re-render": ("POST", "/v1/jobs", {"json": {"prior": {"job_id": done, "index": 0}}}),
        "retry": ("POST", f"/v1/jobs/{done}/retry", {}),
        "OpenAI": ("POST", "/v1/images/generations", {"json": {"prompt": "a"}}),
        "Z.ai": ("POST", "/paas/v4/async/images/generations", {"json": {"model": "glm-image", "prompt": "a"}}),
        "file": ("POST", "/v1/files", {"data": {"purpose": "vision", "file": (BytesIO(b"a"), "a.png")}}),
    }


@pytest.mark.attack
@pytest.mark.parametrize("kind", asks(""))
def test_at_the_limit_new_work_is_refused_until_something_is_deleted(
    acme: Keyed, globex: Keyed, client: Client, kind: str
) -> None:
    cancelled = submit(acme)
    acme.post(f"/v1/jobs/{cancelled}/cancel")
    file = upload(acme, LIMIT)["id"]
    KeyStore(client).set_limits(ACME, TenantLimits(stored_bytes=LIMIT))
    method, path, what = asks(cancelled)[kind]
    before = len(acme.get("/v1/jobs")["data"])
    answer = acme.send(method, path, **what)
    assert answer.status_code == 429, answer.text
    assert f"{LIMIT} bytes" in answer.text
    assert "Retry-After" not in answer.headers
    assert answer.headers["x-should-retry"] == "false"
    assert (len(acme.get("/v1/jobs")["data"]), stored(acme)) == (before, LIMIT)
    submit(globex)
    upload(globex, LIMIT + 1)
    delete(acme, f"/v1/files/{file}")
    method, path, what = asks(cancelled)[kind]
    if kind not in ("re-render", "OpenAI"):  # the first needs a finished picture, the second waits for one
        assert acme.send(method, path, **what).status_code in (200, 202)


def test_a_file_or_an_image_that_does_not_fit_is_refused_and_leaves_nothing(
    acme: Keyed, house: Services, client: Client
) -> None:
    KeyStore(client).set_limits(ACME, TenantLimits(stored_bytes=100))
    upload(acme, 60)
    assert acme.refusal("POST", "/v1/jobs", json={"prompt": "a", "images": [RED]})[:2] == (429, "tenant_limit_reached")
    assert upload(acme, 41, 429)["error"]["code"] == "tenant_limit_reached"
    assert (stored(acme), acme.get("/v1/jobs")["data"], len(acme.get("/v1/files")["data"])) == (60, [], 1)
    upkeep(house, client)
    assert client.keys("gridpress:input*acme*") == []
    assert len(list(client.scan_iter("gridpress:file:*"))) == 1
    upload(acme, 40)
    assert acme.get("/v1/limits")["stored_bytes"] == {"limit": 100, "used": 100, "remaining": 0}


def test_an_image_that_is_stored_already_needs_no_more_room(acme: Keyed, client: Client) -> None:
    submit(acme, RED)
    KeyStore(client).set_limits(ACME, TenantLimits(stored_bytes=stored(acme) + 1))
    submit(acme, RED, RED)
    assert acme.refusal("POST", "/v1/jobs", json={"prompt": "a", "images": [BLUE]})[0] == 429


def test_pictures_of_accepted_jobs_are_stored_beyond_the_limit(acme: Keyed, client: Client) -> None:
    jobs = [submit(acme) for _ in range(2)]
    KeyStore(client).set_limits(ACME, TenantLimits(stored_bytes=1))
    for _ in jobs:
        finish_next(LeaseStore(client, RULES))
    assert stored(acme) == 2 * PICTURE_BYTES
    assert {acme.get(f"/v1/jobs/{job}")["status"] for job in jobs} == {"succeeded"}


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_the_count_is_the_sum_of_what_is_there(
    acme: Keyed, globex: Keyed, house: Services, client: Client, seed: int
) -> None:
    drawn, leases, files = random.Random(seed), LeaseStore(client, RULES), FileStore(client)
    own: dict[str, Keyed] = {}

    def end_one(kind: str) -> None:
        path = next((each for each in own if each.startswith(kind)), None)
        if path:
            caller = own.pop(path)
            caller.send("POST", f"{path}/cancel")
            caller.send("DELETE", path)

    acts: tuple[Callable[[Keyed], object], ...] = (
        lambda who: own.update({f"/v1/jobs/{submit(who, n=drawn.randint(1, 3))}": who}),
        lambda who: own.update({f"/v1/jobs/{submit(who, drawn.choice([RED, BLUE]))}": who}),
        lambda who: own.update({f"/v1/files/{upload(who, drawn.randint(0, 99))['id']}": who}),
        lambda _: leases.claim(Stage.AR, REVISION, WORKER_ID),
        lambda _: finish_one(leases),
        lambda _: end_one("/v1/jobs"),
        lambda _: end_one("/v1/files"),
        lambda _: upkeep(house, client),
        lambda _: UpkeepStore(client).purge(-1),
        lambda _: files.take_ended(5),
    )
    for _ in range(60):
        drawn.choice(acts)(drawn.choice([acme, globex]))
    for who, tenant in ((acme, ACME), (globex, GLOBEX)):
        assert stored(who) == of_records(house, client, tenant) >= 0


def finish_one(leases: LeaseStore) -> None:
    """Takes a waiting render, if there is one, through both stages."""
    claim = leases.claim(Stage.AR, REVISION, WORKER_ID)
    if claim:
        leases.finish_prior(claim.lease, a_prior())
    claim = leases.claim(Stage.DIT, REVISION, WORKER_ID)
    if claim:
        leases.finish_picture(claim.lease, a_picture())


@pytest.mark.parametrize(("is_allowed", "num_bytes"), [(True, PICTURE_BYTES), (False, 0)])
def test_a_picture_that_is_checked_counts_once_it_is_allowed(client: Client, is_allowed: bool, num_bytes: int) -> None:
    jobs, leases, checks = JobStore(client), LeaseStore(client, RULES), CheckStore(client, 30)
    job = submitted(jobs, tenant=ACME)
    claim = leases.claim(Stage.AR, REVISION, WORKER_ID)
    assert claim
    leases.finish_prior(claim.lease, a_prior())
    claim = leases.claim(Stage.DIT, REVISION, WORKER_ID)
    assert claim
    leases.finish_picture(claim.lease, a_picture(), to_check=True)
    assert jobs.stored_bytes(ACME) == 0
    check = checks.claim()
    assert check
    for _ in range(2):
        if is_allowed:
            checks.allow(check)
        else:
            checks.reject(check, {"code": "content_rejected"})
    assert jobs.stored_bytes(ACME) == num_bytes
    jobs.delete(job.job_id, ACME)
    assert jobs.stored_bytes(ACME) == 0
