"""The erasure of a tenant's data: a search of both stores then finds nothing of the tenant, and all of others."""

import json
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest

from api.app import create_app
from api.services import Services
from shared.access.keys import Scope
from shared.access.limits import TenantLimits
from shared.errors import LeaseLost, ObjectStoreUnavailable
from shared.files import new_file_id
from shared.ids import ObjectKey, TenantId, new_job_id
from shared.jobs.states import Stage
from shared.objects.store import ObjectStore
from shared.store.access.keys import KeyStore
from shared.store.batches.batches import BatchStore
from shared.store.core.connect import Client
from shared.store.files.files import FileStore
from shared.store.inputs.inputs import InputStore
from shared.store.jobs.deleted import DeletedJobStore
from shared.store.queues.upkeep import UpkeepStore
from shared.store.renders.handovers import HandoverStore
from shared.store.renders.leases import LeaseStore
from tests.api.conftest import hints, house
from tests.api.pictures import data_url, png
from tests.shared.store.builders import REVISION, RULES, WORKER_ID, a_prior
from tests.shared.store.usage import decoding, finish
from tests.workers.batches.shop import Shop, a_line, a_shop, jsonl
from workers.upkeep.batches import delete_deleted_batches, purge_old_batches
from workers.upkeep.deleted_jobs import delete_objects_of_deleted_jobs
from workers.upkeep.erasure import Eraser
from workers.upkeep.files import delete_ended_files
from workers.upkeep.handovers import delete_handovers
from workers.upkeep.inputs import delete_unused_inputs

__all__ = ["hints", "house"]

ACME, GLOBEX = TenantId("acme"), TenantId("globex")
Json = dict[str, Any]


class Tenant:
    """A tenant that has something of everything. Every text of it has its name in it."""

    def __init__(self, shop: Shop, name: TenantId, *scopes: Scope) -> None:
        self.shop, self.name = shop, name
        _, self.key = KeyStore(shop.client).create(name, scopes or [Scope.ADMIN])
        self.fields = {"Authorization": f"Bearer {self.key}"}
        self.http = create_app(shop.house).test_client()
        self.ids: list[str] = []

    def send(self, method: str, path: str, **what: Any) -> Any:
        return self.http.open(path, method=method, headers={**self.fields, **what.pop("headers", {})}, **what)

    def post(self, path: str, expected: int = 202, **what: Any) -> Json:
        answer = self.send("POST", path, **what)
        assert answer.status_code == expected, answer.text
        found = dict(answer.get_json())
        self.ids.append(found["id"])
        return found

    def file(self, purpose: str, data: bytes) -> str:
        form = {"purpose": purpose, "file": (BytesIO(data), f"{self.name}.bin")}
        return str(self.post("/v1/files", 200, data=form)["id"])

    def job(self, **fields: Any) -> str:
        asked = {"prompt": f"a picture of {self.name}", "metadata": {"of": self.name}, **fields}
        return str(self.post("/v1/jobs", json=asked, headers={"Idempotency-Key": str(new_job_id())})["id"])

    def batch(self, *lines: Json) -> str:
        asked = {"input_file_id": self.file("batch", jsonl(lines)), "endpoint": "/v1/jobs", "completion_window": "24h"}
        return str(self.post("/v1/batches", 200, json=asked)["id"])

    def fill(self) -> None:
        """Makes something of everything."""
        self.post("/v1/webhook_endpoints", 201, json={"url": f"https://{self.name}.example/"})
        self.shop.client.set(f"gridpress:followed:{self.name}", 0)  # somebody follows the events of all its jobs
        image = data_url(png(256, 256, "red" if self.name == ACME else "blue"))
        done = self.job(images=[image], size="256x256", webhook_url=f"https://hooks.{self.name}.example/")
        self.finish(done)
        self.send("PUT", f"/v1/jobs/{self.name}-poster", json={"prompt": self.name})
        self.finish(self.send("GET", f"/v1/jobs/{self.name}-poster").get_json()["id"])
        self.shrink(self.job(images=[image], size="256x256"))
        self.send("PUT", f"/v1/tenants/{self.name}/retention", json={"delete_after_s": 7200})
        running = self.job(n=2, priority="batch")
        self.lease(Stage.AR)
        self.file("vision", png())
        FileStore(self.shop.client).open(new_file_id(), self.name)  # its upload never ends
        batch = self.batch(a_line(0, images=[image], size="256x256"), a_line(1), a_line(2))
        self.shop.stir()
        self.shop.work()
        self.put(f"batches/{batch}/input.jsonl")
        self.put(f"jobs/{running}/0000/h/preview1.jpg")
        self.job(enhance_prompt=False, start_timeout_s=3000)

    def finish(self, job: str) -> None:
        leases = LeaseStore(self.shop.client, RULES)
        finish(leases, decoding(leases))
        self.put(f"jobs/{job}/0000/h/image.png")
        self.put(f"jobs/{job}/manifest.json")

    def shrink(self, job: str) -> None:
        """Ends a job and its retention, so that only an index entry is left. Its manifest can't be read."""
        self.send("POST", f"/v1/jobs/{job}/cancel")
        self.put(f"jobs/{job}/manifest.json")
        client = self.shop.client
        client.zrem("gridpress:manifests", job)
        client.zadd("gridpress:finished", {job: 0})
        client.hset(f"gridpress:job:{job}", "finished_ms", 1)
        UpkeepStore(client).purge(10**6)
        assert client.exists(f"gridpress:kept:{self.name}:cancelled")

    def lease(self, stage: Stage) -> Any:
        claim = LeaseStore(self.shop.client, RULES).claim(stage, REVISION, WORKER_ID)
        assert claim
        return claim

    def put(self, key: str) -> None:
        self.ids.append(key)
        self.shop.house.objects.put(ObjectKey(key), self.name.encode(), "application/octet-stream")

    @property
    def traces(self) -> set[str]:
        """Its name, and all ids that it got."""
        return {self.name, *(each for each in self.ids)}


@pytest.fixture
def shop(house: Services, client: Client) -> Shop:
    """A service whose object store has nothing of other tests."""
    for prefix in ("jobs/", "batches/", "files/", "inputs/"):
        while house.objects.delete_some(prefix, 1000):
            pass
    settings = house.settings.model_copy(update={"batch_spare": 8, "s3_links": "streamed"})
    return a_shop(replace(house, settings=settings), client)


@pytest.fixture
def acme(shop: Shop) -> Tenant:
    return Tenant(shop, ACME)


@pytest.fixture
def globex(shop: Shop) -> Tenant:
    return Tenant(shop, GLOBEX)


def value_of(client: Client, key: str) -> str:
    """All that the store has under a key, as text."""
    read = {
        "hash": client.hgetall,
        "zset": lambda name: client.zrange(name, 0, -1),
        "list": lambda name: client.lrange(name, 0, -1),
        "set": client.smembers,
        "stream": client.xrange,
        "string": client.get,
    }
    return f"{key} {read[client.type(key)](key)}"


SETTINGS = (
    "gridpress:key:",
    "gridpress:keys_of:",
    "gridpress:limits:",
    "gridpress:delete_after:",
    "gridpress:used:",
    "gridpress:tenants",
)


AUDIT = ("gridpress:audit", "gridpress:acts")  # these entries stay, because they prove the erasure


def in_store(client: Client, tenant: Tenant, *, but: tuple[str, ...] = SETTINGS) -> list[str]:
    """All keys of the store that have, in their name or in what they hold, a trace of the tenant. The audit log is left
    out.
    """
    keys = [key for key in client.scan_iter("*") if not key.startswith((*but, *AUDIT))]
    return [key for key in keys if any(trace in value_of(client, key) for trace in tenant.traces)]


def keys_of(objects: ObjectStore) -> list[str]:
    """All objects of jobs."""
    return [key for page in objects.pages("jobs/") for key, _ in page]


def in_objects(objects: ObjectStore, tenant: Tenant) -> list[str]:
    """All objects that have a trace of the tenant in their key or in their bytes."""
    pages = (page for prefix in ("jobs/", "batches/", "files/", "inputs/") for page in objects.pages(prefix))
    keys = [key for page in pages for key, _ in page]
    found = []
    for key in keys:
        text = f"{key} {objects.get(key).decode(errors='replace')}"
        found += [key] if any(trace in text for trace in tenant.traces) else []
    return found


def deletions(shop: Shop) -> int:
    """The other work of upkeep that deletes objects."""
    client, objects = shop.client, shop.house.objects
    return sum(
        (
            delete_ended_files(FileStore(client), objects),
            delete_objects_of_deleted_jobs(DeletedJobStore(client), objects),
            delete_unused_inputs(InputStore(client), objects),
            delete_handovers(HandoverStore(client), objects),
            delete_deleted_batches(BatchStore(client), objects),
            purge_old_batches(BatchStore(client), objects, 10**6),
        )
    )


LATE = ("gridpress:doomed", "gridpress:batch_deleted")


def work(shop: Shop, eraser: Eraser | None = None) -> None:
    """Upkeep, until there is nothing to do now."""
    eraser = eraser or Eraser(shop.client, shop.house.objects)
    while eraser.step() + deletions(shop):
        pass


def let_time_pass(client: Client) -> None:
    for key in LATE:
        for entry in client.zrange(key, 0, -1):
            client.zadd(key, {entry: 0})
    for key in client.scan_iter("gridpress:erasure:*"):
        client.hset(key, "until_ms", 0)


def erase(shop: Shop, tenant: Tenant) -> None:
    """Until the end."""
    for _ in range(5):
        work(shop)
        let_time_pass(shop.client)
        if tenant.send("GET", f"/v1/tenants/{tenant.name}/data").get_json()["status"] == "none":
            return
    raise AssertionError("it does not end")


def test_both_stores_have_nothing_of_the_tenant_and_all_of_others(shop: Shop, acme: Tenant, globex: Tenant) -> None:
    acme.fill()
    globex.fill()
    client, objects = shop.client, shop.house.objects
    others = sorted(in_objects(objects, globex))
    records = {key for key in client.scan_iter("*") if any(each in key for each in globex.traces)}
    assert in_objects(objects, acme)
    assert client.keys("gridpress:usage:*:acme")
    answer = acme.send("DELETE", "/v1/tenants/acme/data")
    assert (answer.status_code, answer.get_json()["phase"]) == (202, "deleting")
    erase(shop, acme)
    assert in_store(client, acme) == []
    assert "DELETE /v1/tenants/{tenant}/data" in value_of(client, "gridpress:acts")
    assert in_objects(objects, acme) == []
    assert sorted(in_objects(objects, globex)) == others
    assert records <= set(client.scan_iter("*"))
    assert acme.send("GET", "/v1/jobs").get_json()["data"] == []
    assert acme.send("POST", "/v1/jobs", json={"prompt": "a new beginning"}).status_code == 202


def test_running_work_is_cancelled_and_its_late_result_is_refused_and_deleted(shop: Shop, acme: Tenant) -> None:
    job = acme.job()
    claim = acme.lease(Stage.AR)
    acme.send("DELETE", "/v1/tenants/acme/data")
    work(shop)
    leases = LeaseStore(shop.client, RULES)
    with pytest.raises(LeaseLost):
        leases.finish_prior(claim.lease, a_prior())
    acme.put(f"jobs/{job}/0000/{claim.lease.holder}/image.png")  # a worker that has not yet learned of it
    erase(shop, acme)
    assert (in_store(shop.client, acme), in_objects(shop.house.objects, acme)) == ([], [])


def test_nothing_new_is_accepted_until_the_end(shop: Shop, acme: Tenant, globex: Tenant) -> None:
    file = acme.file("batch", jsonl([a_line(0)]))
    acme.send("DELETE", "/v1/tenants/acme/data")
    image = {"images": [data_url(png(256, 256))], "size": "256x256"}
    upload = {"purpose": "vision", "file": (BytesIO(png()), "a.png")}
    tried: list[tuple[str, Json]] = [
        ("/v1/jobs", {"json": {"prompt": "a"}}),
        ("/v1/jobs", {"json": {"prompt": "a", **image}}),
        ("/v1/webhook_endpoints", {"json": {"url": "https://a.example/"}}),
        ("/v1/batches", {"json": {"input_file_id": file, "endpoint": "/v1/jobs", "completion_window": "24h"}}),
        ("/v1/files", {"data": upload}),
        ("/v1/images/generations", {"json": {"prompt": "a"}}),
        ("/paas/v4/async/images/generations", {"json": {"prompt": "a", "model": "glm-image"}}),
    ]
    for path, what in tried:
        answer = acme.send("POST", path, **what)
        assert (answer.status_code, "tenant_being_erased" in answer.text) == (409, True), (path, answer.text)
    assert globex.send("POST", "/v1/jobs", json={"prompt": "a"}).status_code == 202
    erase(shop, acme)
    assert in_store(shop.client, acme) == []
    assert acme.send("POST", "/v1/jobs", json={"prompt": "a"}).status_code == 202


def test_it_goes_on_after_a_crash_at_any_step(shop: Shop, acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every process does one step and dies. Between steps the object store is away at times."""
    acme.fill()
    acme.send("DELETE", "/v1/tenants/acme/data")
    eraser = Eraser(shop.client, shop.house.objects)
    for number in range(300):
        if number % 9 == 8:
            eraser = Eraser(shop.client, shop.house.objects)  # a new process begins its search again
        with monkeypatch.context() as away:
            if number % 7 == 3:
                away.setattr(ObjectStore, "delete_some", fail)
                away.setattr(ObjectStore, "delete_prefix", fail)
            try:
                done = eraser.step() + deletions(shop) + (number % 7 == 3)
            except ObjectStoreUnavailable:
                done = 1
        if not done:
            break
    erase(shop, acme)
    assert (in_store(shop.client, acme), in_objects(shop.house.objects, acme)) == ([], [])


def fail(*_: object) -> None:
    raise ObjectStoreUnavailable("away")


def test_it_does_not_end_while_an_object_waits_for_its_deletion(
    shop: Shop, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = acme.job()
    acme.put(f"jobs/{job}/0000/h/image.png")
    acme.send("DELETE", "/v1/tenants/acme/data")
    eraser = Eraser(shop.client, shop.house.objects)
    for _ in range(60):
        let_time_pass(shop.client)
        eraser.step()  # and nothing else of upkeep works
    assert acme.send("GET", "/v1/tenants/acme/data").get_json()["status"] == "erasing"
    erase(shop, acme)
    assert in_objects(shop.house.objects, acme) == []


def test_pictures_of_purged_jobs_are_found_by_their_manifests(
    shop: Shop, acme: Tenant, globex: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.upkeep.erasure._FOLDERS", 2)
    objects = shop.house.objects

    def left_by(tenant: Tenant, kind: str) -> str:
        job = new_job_id()
        manifest = {"tenant": tenant.name} if kind == "picture" else {"spec": {"tenant": tenant.name}}
        name = "0000/h/manifest.json" if kind == "picture" else "manifest.json"
        objects.put(ObjectKey(f"jobs/{job}/{name}"), json.dumps(manifest).encode(), "application/json")
        objects.put(ObjectKey(f"jobs/{job}/0000/h/image.png"), b"x", "image/png")
        return job

    gone = [left_by(acme, kind) for kind in ("job", "picture") for _ in range(3)]
    kept = [left_by(globex, kind) for kind in ("job", "picture")]
    objects.put(ObjectKey(f"jobs/{new_job_id()}/manifest.json"), b"no JSON", "application/json")
    acme.send("DELETE", "/v1/tenants/acme/data")
    erase(shop, acme)
    folders = {key.split("/")[1] for key in keys_of(objects)}
    assert (set(gone) & folders, set(kept) <= folders, len(folders)) == (set(), True, 3)


def test_pictures_of_a_purged_batch_are_found_by_its_output_file(shop: Shop, acme: Tenant) -> None:
    batch = acme.batch(a_line(0), a_line(1))
    for _ in range(20):
        shop.stir()
        shop.work()
        shop.render()
    client = shop.client
    assert client.hget(f"gridpress:batch:{batch}", "status") == "completed"
    while BatchStore(client).purge(-1, 9):
        purge_old_batches(BatchStore(client), shop.house.objects, -1)
    while UpkeepStore(client).purge(-1):
        pass
    for key in client.scan_iter("gridpress:job:*"):
        client.delete(key)
    assert keys_of(shop.house.objects)
    acme.send("DELETE", "/v1/tenants/acme/data")
    erase(shop, acme)
    assert keys_of(shop.house.objects) == []


def test_settings_stay_unless_an_operator_erases_them(shop: Shop, acme: Tenant) -> None:
    client, keys = shop.client, KeyStore(shop.client)
    keys.set_limits(ACME, TenantLimits(requests_per_minute=10_000, weight=3))
    acme.fill()
    assert acme.send("DELETE", "/v1/tenants/acme/data?settings=true").get_json()["code"] == "missing_scope"
    assert acme.send("DELETE", "/v1/tenants/acme/data?settings=maybe").get_json()["field"] == "settings"
    acme.send("DELETE", "/v1/tenants/acme/data")
    erase(shop, acme)
    assert keys.limits(ACME).weight == 3
    assert acme.send("GET", "/v1/tenants/acme/retention").get_json()["delete_after_s"] == 7200
    operator = Tenant(shop, GLOBEX, Scope.ADMIN, Scope.OPERATOR)
    operator.name = ACME
    assert operator.send("DELETE", "/v1/tenants/acme/data?settings=true").get_json()["settings"] is True
    erase(shop, operator)
    assert in_store(client, acme, but=()) == []
    assert acme.send("GET", "/v1/jobs").status_code == 401
    assert [key.tenant for key in keys.all_keys()] == [GLOBEX]


def test_the_last_api_key_goes_and_the_api_stays_closed(shop: Shop, acme: Tenant) -> None:
    shop.house.erasures.begin(ACME, with_settings=True)
    for _ in range(4):
        work(shop)
        let_time_pass(shop.client)
    assert shop.house.erasures.all() == []
    assert KeyStore(shop.client).all_keys() == []
    assert acme.http.get("/v1/jobs").status_code == 401


def test_broken_records_do_not_stop_it(shop: Shop, acme: Tenant) -> None:
    jobs = [acme.job() for _ in range(3)]
    batch = acme.batch(a_line(0))
    client = shop.client
    client.hdel(f"gridpress:job:{jobs[0]}", "n")
    client.delete(f"gridpress:job:{jobs[1]}")
    client.hset(f"gridpress:render:{jobs[2]}:0000", "state", "odd")
    client.delete(f"gridpress:batch:{batch}")
    acme.send("DELETE", "/v1/tenants/acme/data")
    erase(shop, acme)
    assert client.exists("gridpress:jobs:acme") == 0
    assert client.exists("gridpress:batches:acme") == 0


@pytest.mark.parametrize("name", ["batch", "jobs", "queued", "ar", "interactive", "idempotency", "key"])
def test_a_tenant_with_the_name_of_a_record_takes_nothing_with_it(shop: Shop, globex: Tenant, name: str) -> None:
    globex.fill()
    before = {key: value_of(shop.client, key) for key in shop.client.scan_iter("*") if "globex" in key}
    other = Tenant(shop, TenantId(name))
    other.job()
    shop.house.erasures.begin(other.name, with_settings=True)
    for _ in range(4):
        work(shop)
        let_time_pass(shop.client)
    assert shop.house.erasures.all() == []
    assert {key: value_of(shop.client, key) for key in before} == before
