"""Jobs outlive their records in the store: after the retention an index entry and the manifest tell of them."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.services import Services
from shared.access.keys import Scope
from shared.batches.batch import line_job_id, new_batch_id
from shared.ids import DEFAULT_TENANT, JobId, ObjectKey, new_job_id
from shared.jobs.cancellation import CancelOutcome
from shared.jobs.manifest import manifest_key
from shared.jobs.states import JobStatus, Stage
from shared.settings.settings import Settings
from shared.store.core.connect import Client
from shared.store.inputs.sweep import InputSweepStore
from shared.store.jobs.deleted import DeletedJobStore
from shared.store.jobs.filter import JobFilter
from shared.store.jobs.jobs import JobStore
from shared.store.jobs.kept import KeptJobs
from shared.store.jobs.restore import RestoredJobs
from shared.store.queues.upkeep import UpkeepStore
from shared.store.renders.leases import LeaseStore
from shared.store.webhooks.manifests import ManifestStore
from tests.api.access.keyed import ACME, GLOBEX, Keyed
from tests.api.pictures import data_url, png
from tests.shared.store.builders import REVISION, RULES, WORKER_ID, a_picture, a_prior, a_spec
from workers.delivery.manifest import ManifestService
from workers.upkeep.deleted_jobs import delete_objects_of_deleted_jobs
from workers.upkeep.inputs import delete_unused_inputs
from workers.upkeep.kept import forget_lost_jobs

RED = data_url(png(256, 256, "red"))
NUM_BYTES = a_picture().num_bytes
ENTRIES = "gridpress:kept:acme:succeeded"


@pytest.fixture
def acme(http: FlaskClient, client: Client) -> Keyed:
    return Keyed(http, client, Scope.ADMIN)


@pytest.fixture
def globex(http: FlaskClient, client: Client) -> Keyed:
    return Keyed(http, client, Scope.ADMIN, tenant=GLOBEX)


@pytest.fixture
def shrink(house: Services, client: Client) -> Callable[[], None]:
    """Writes the manifests that are due, and ends the retention of all jobs that have ended."""
    manifests = ManifestStore(client, lease_ttl_s=60)
    delivery = ManifestService(manifests, JobStore(client), house.objects, Settings(public_url="http://localhost"))

    def shrink_all() -> None:
        while delivery.write_one():
            pass
        UpkeepStore(client).purge(-1)

    return shrink_all


def submit(caller: Keyed, **fields: Any) -> str:
    return str(caller.post("/v1/jobs", 202, json={"prompt": "a kite", "size": "256x256", **fields})["id"])


def render(house: Services, client: Client, num: int = 1) -> None:
    leases = LeaseStore(client, RULES)
    for _ in range(num):
        claim = leases.claim(Stage.AR, REVISION, WORKER_ID)
        assert claim
        leases.finish_prior(claim.lease, a_prior())
        claim = leases.claim(Stage.DIT, REVISION, WORKER_ID)
        assert claim
        picture = replace(a_picture(), key=ObjectKey(f"jobs/{claim.job_id}/{claim.index:04d}/h/image.png"))
        house.objects.put(picture.key, b"x" * NUM_BYTES, "image/png")
        house.objects.put(picture.grid_key, a_prior().to_bytes(), "application/octet-stream")
        leases.finish_picture(claim.lease, picture)


def stored(caller: Keyed) -> int:
    return int(caller.get("/v1/limits")["stored_bytes"]["used"])


def ids(caller: Keyed, query: str = "") -> list[str]:
    return [job["id"] for job in caller.get(f"/v1/jobs{query}")["data"]]


def objects_of(house: Services, job: str) -> list[str]:
    return [each.key for page in house.objects.entries(f"jobs/{job}/") for each in page]


def clean(house: Services, client: Client) -> None:
    """Lets upkeep delete all objects that are due, and those that are due later."""
    for _ in range(2):
        for key in ("gridpress:doomed", "gridpress:inputs_unused", "gridpress:inputs_doomed"):
            for entry in client.zrange(key, 0, -1):
                client.zadd(key, {entry: 0})
        while delete_objects_of_deleted_jobs(DeletedJobStore(client), house.objects):
            pass
        delete_unused_inputs(house.inputs, house.objects)


def test_a_job_reads_after_its_retention_as_it_did_before(
    acme: Keyed, house: Services, client: Client, shrink: Callable[[], None]
) -> None:
    job = submit(acme, n=2, metadata={"order": "7"}, seed=3, webhook_url="https://a.example/")
    render(house, client, 1)
    claim = LeaseStore(client, RULES).claim(Stage.AR, REVISION, WORKER_ID)
    assert claim
    LeaseStore(client, RULES).fail(claim.lease, {"code": "render_failed", "message": "no", "retryable": False})
    before = acme.get(f"/v1/jobs/{job}")
    for message in client.smembers(f"gridpress:told:{job}"):
        for due in client.scan_iter("gridpress:due:*"):
            client.zrem(due, message)
    shrink()
    assert client.exists(f"gridpress:job:{job}") == 0
    assert acme.get(f"/v1/jobs/{job}") == before
    assert acme.get("/v1/jobs")["data"] == [before]
    assert [key for key in client.scan_iter("*") if job in key] == []


def test_an_entry_takes_at_most_200_bytes(client: Client) -> None:
    jobs = RestoredJobs(client, retention_s=0)
    found = JobStore(client).submit(new_job_id(), a_spec(tenant=ACME))
    render_all = replace(found, status=JobStatus.SUCCEEDED)
    for _ in range(1000):
        jobs._restore_entry(replace(render_all, job_id=new_job_id()))
    assert client.zcard(ENTRIES) == 1000
    assert client.memory_usage(ENTRIES, samples=0) <= 1000 * 200


def test_pictures_grids_and_re_renders_come_from_the_manifest(
    acme: Keyed, globex: Keyed, house: Services, client: Client, shrink: Callable[[], None]
) -> None:
    job = submit(acme, images=[RED])
    render(house, client)
    shrink()
    assert acme.send("GET", f"/v1/jobs/{job}/images/0?size=original").data == b"x" * NUM_BYTES
    assert acme.get(f"/v1/jobs/{job}/images/0/grid")["rows"] == 8
    assert acme.send("GET", f"/v1/jobs/{job}/inputs/0?size=original").status_code == 200
    assert acme.send("GET", f"/v1/jobs/{job}/events").status_code == 204
    again = submit(acme, **{"prompt": "", "prior": {"job_id": job, "index": 0}})
    assert acme.get(f"/v1/jobs/{again}")["num_condition_images"] == 1
    refusal = acme.send("POST", f"/v1/jobs/{job}/retry").get_json()
    assert (refusal["code"], refusal["status"]) == ("job_not_retryable", 409)
    assert acme.post(f"/v1/jobs/{job}/cancel")["status"] == "succeeded"
    for path in ("", "/images/0", "/images/0/grid", "/inputs/0", "/events"):
        assert globex.send("GET", f"/v1/jobs/{job}{path}").status_code == 404
    assert globex.send("DELETE", f"/v1/jobs/{job}").status_code == 404
    assert globex.refusal("POST", "/v1/jobs", json={"prior": {"job_id": job, "index": 0}})[1] == "prior_not_found"
    assert (ids(globex), ids(acme)) == ([], [again, job])
    assert ids(acme, f"?ids={job}") == [job]
    assert globex.get(f"/v1/jobs?ids={job}")["missing"] == [job]
    cancelled = [house.store.cancel_all([JobId(job)], tenant)[0].outcome for tenant in (ACME, GLOBEX)]
    assert cancelled == [CancelOutcome.ALREADY_ENDED, CancelOutcome.NOT_FOUND]


def test_pages_and_filters_go_across_records_and_entries(
    acme: Keyed, house: Services, client: Client, shrink: Callable[[], None]
) -> None:
    jobs = [submit(acme, metadata={"n": str(num)}) for num in range(6)]
    for job in jobs[:2]:
        acme.post(f"/v1/jobs/{job}/cancel")
    shrink()
    render(house, client, 2)
    shrink()
    assert client.zcard("gridpress:jobs:acme") == 2
    for order, wanted in (("", jobs[::-1]), ("&order=asc", jobs)):
        page, found = acme.get(f"/v1/jobs?limit=1{order}"), []
        while True:
            found += [job["id"] for job in page["data"]]
            if not page["has_more"]:
                break
            page = acme.get(f"/v1/jobs?limit=1{order}&after={page['next']}")
        assert found == wanted
    assert ids(acme, "?status=succeeded") == jobs[2:4][::-1]
    assert ids(acme, "?status=cancelled&status=queued") == [*jobs[4:][::-1], *jobs[:2][::-1]]
    assert ids(acme, "?metadata=n=3") == [jobs[3]]
    assert house.store.jobs(ACME, JobFilter(statuses=frozenset({JobStatus.RUNNING})), limit=9, after=None) == []


def test_a_deleted_job_leaves_nothing(acme: Keyed, house: Services, client: Client, shrink: Callable[[], None]) -> None:
    job, other = submit(acme, images=[RED]), submit(acme)
    render(house, client, 2)
    image = house.store.job(JobId(job), ACME).spec.settings.images[0]
    shrink()
    clean(house, client)
    assert house.objects.has(image)
    assert stored(acme) > 2 * NUM_BYTES
    assert acme.send("DELETE", f"/v1/jobs/{job}").status_code == 204
    assert acme.send("DELETE", f"/v1/jobs/{job}").status_code == 404
    assert acme.send("GET", f"/v1/jobs/{job}").status_code == 404
    clean(house, client)
    assert (ids(acme), stored(acme)) == ([other], NUM_BYTES)
    assert (objects_of(house, job), house.objects.has(image)) == ([], False)
    assert [key for key in client.scan_iter("gridpress:input*") if not key.endswith("sweep")] == []


def test_delete_after_s_is_obeyed_after_the_retention(
    acme: Keyed, house: Services, client: Client, shrink: Callable[[], None]
) -> None:
    job, stays = submit(acme, delete_after_s=30 * 24 * 3600), submit(acme)
    render(house, client, 2)
    shrink()
    assert UpkeepStore(client).delete_due_jobs() == 0
    assert acme.get(f"/v1/jobs/{job}")["delete_at"]
    (due,) = client.zrange("gridpress:kept_expiries", 0, -1)
    client.zadd("gridpress:kept_expiries", {due: 0})
    assert UpkeepStore(client).delete_due_jobs() == 1
    clean(house, client)
    assert (ids(acme), stored(acme), client.exists("gridpress:kept_expiries")) == ([stays], NUM_BYTES, 0)
    assert objects_of(house, job) == []


def test_delete_after_s_is_obeyed_after_the_retention_if_an_earlier_release_ended_the_job(
    acme: Keyed, house: Services, client: Client, shrink: Callable[[], None]
) -> None:
    """That release records no time of the deletion."""
    job, stays = submit(acme, delete_after_s=3600), submit(acme)
    render(house, client, 2)
    client.delete("gridpress:job_expiries")
    finished_ms = int(client.hget(f"gridpress:job:{job}", "finished_ms") or 0)
    shrink()
    due = [(f"acme|{job}", finished_ms + 3_600_000)]
    assert client.zrange("gridpress:kept_expiries", 0, -1, withscores=True) == due
    assert ids(acme) == [stays, job]


@pytest.mark.parametrize("how", ["read", "list", "look"])
def test_an_entry_whose_objects_a_lifecycle_rule_removed_goes_away(
    acme: Keyed, house: Services, client: Client, shrink: Callable[[], None], how: str
) -> None:
    lost, stays = submit(acme), submit(acme)
    render(house, client, 2)
    shrink()
    house.objects.delete_prefix(f"jobs/{lost}/")
    kept = KeptJobs(client, house.objects)
    assert forget_lost_jobs(kept) == 0, "no look is due"
    if how == "read":
        assert acme.send("GET", f"/v1/jobs/{lost}").status_code == 404
    elif how == "list":
        assert ids(acme) == [stays]
    else:
        client.zadd("gridpress:kept_lists", {"acme:succeeded": 0})
        assert (forget_lost_jobs(kept), forget_lost_jobs(kept)) == (1, 0)
    assert (client.zcard(ENTRIES), stored(acme), ids(acme)) == (1, NUM_BYTES, [stays])


def test_a_broken_manifest_spoils_no_list(
    acme: Keyed, house: Services, client: Client, shrink: Callable[[], None]
) -> None:
    broken, strange, good = submit(acme), submit(acme), submit(acme)
    render(house, client, 3)
    shrink()
    house.objects.put(manifest_key(JobId(broken)), b"{", "application/json")
    text = house.objects.get(manifest_key(JobId(strange))).replace(b'"acme"', b'"globex"')
    house.objects.put(manifest_key(JobId(strange)), text, "application/json")
    assert ids(acme) == [good]
    assert acme.send("GET", f"/v1/jobs/{broken}").get_json()["code"] == "record_unreadable"
    assert acme.send("GET", f"/v1/jobs/{strange}").get_json()["code"] == "record_unreadable"
    assert acme.send("DELETE", f"/v1/jobs/{broken}").status_code == 204


def test_a_job_without_a_manifest_gets_one_before_it_shrinks(
    acme: Keyed, house: Services, client: Client, shrink: Callable[[], None]
) -> None:
    """Its first manifest was given up during an outage, or it is the job of a batch line, which has none at first."""
    given_up, of_line = submit(acme), submit(acme)
    render(house, client, 2)
    client.delete("gridpress:manifests")
    client.hset(f"gridpress:job:{given_up}", "manifest_error", "away")
    client.hset(f"gridpress:job:{of_line}", "of_batch", "batch_x")
    UpkeepStore(client).purge(-1)
    assert set(client.zrange("gridpress:manifests", 0, -1)) == {given_up, of_line}
    assert client.exists(ENTRIES) == 0
    shrink()
    for job in (given_up, of_line):
        client.zadd("gridpress:finished", {job: 0}, xx=True)
    shrink()
    assert client.exists(f"gridpress:job:{of_line}", f"gridpress:job:{given_up}") == 0
    assert ids(acme) == [of_line, given_up]


@pytest.mark.parametrize(("round_", "line"), [(0, 0), (0, 49_999), (5, 1_024)])
def test_the_job_of_a_line_whose_result_an_earlier_release_stored_gets_its_manifest_too(
    acme: Keyed, store: JobStore, house: Services, client: Client, shrink: Callable[[], None], round_: int, line: int
) -> None:
    """That release recorded no batch in the job."""
    job = store.submit(line_job_id(new_batch_id(), round_, line), a_spec(tenant=ACME)).job_id
    render(house, client)
    client.delete("gridpress:manifests")
    UpkeepStore(client).purge(-1)
    assert client.zrange("gridpress:manifests", 0, -1) == [job]
    shrink()
    client.zadd("gridpress:finished", {job: 0}, xx=True)
    shrink()
    assert (client.exists(f"gridpress:job:{job}"), ids(acme)) == (0, [job])


def test_a_job_whose_manifest_can_not_be_written_is_purged_at_last(
    acme: Keyed, house: Services, client: Client
) -> None:
    job = submit(acme)
    render(house, client)
    client.hset(f"gridpress:job:{job}", "manifest_asked_ms", 1)
    client.hset(f"gridpress:job:{job}", "manifest_error", "away")
    client.delete("gridpress:manifests")
    UpkeepStore(client).purge(-1)
    assert (client.exists(ENTRIES), client.exists(f"gridpress:job:{job}"), stored(acme)) == (0, 0, 0)


def test_condition_images_of_entries_survive_the_daily_sweep(
    acme: Keyed, house: Services, client: Client, shrink: Callable[[], None]
) -> None:
    job = submit(acme, images=[RED])
    render(house, client)
    shrink()
    sweep = InputSweepStore(client)
    assert (sum(sweep.mend()), acme.send("GET", f"/v1/jobs/{job}/inputs/0?size=original").status_code) == (0, 200)
    house.objects.delete_prefix(f"jobs/{job}/")
    assert acme.send("GET", f"/v1/jobs/{job}").status_code == 404
    assert sum(sweep.mend()) == 1


def test_a_rebuild_knows_entries_and_restores_old_jobs_as_entries(
    house: Services, client: Client, shrink: Callable[[], None], store: JobStore
) -> None:
    job = store.submit(new_job_id(), a_spec())
    render(house, client)
    before = store.job(job.job_id, DEFAULT_TENANT)
    shrink()
    kept = KeptJobs(client, house.objects)
    (text,) = kept.manifests([job.job_id])
    assert text
    manifest = json.loads(text)
    assert not RestoredJobs(client).restore(manifest), "the entry is there"
    client.flushdb()
    assert RestoredJobs(client, retention_s=-1).restore(manifest)
    assert client.exists(f"gridpress:job:{job.job_id}") == 0
    found = store.job(job.job_id, DEFAULT_TENANT)
    assert (found.status, found.renders[0].picture) == (before.status, before.renders[0].picture)
    assert store.stored_bytes(DEFAULT_TENANT) == NUM_BYTES
