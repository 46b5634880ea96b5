"""A batch from its creation to each of its ends, and everything that its owner can do with it."""

import io
import json
import tarfile
import zipfile
from collections import Counter

import pytest

from shared.access.keys import Scope
from shared.access.limits import TenantLimits
from shared.batches.batch import BatchId, input_key, line_job_id
from shared.errors import ObjectNotFound
from shared.ids import ObjectKey, TenantId
from shared.store.access.keys import KeyStore
from shared.store.jobs.jobs import JobStore
from shared.store.queues.upkeep import UpkeepStore
from shared.store.webhooks.manifests import ManifestStore
from tests.api.pictures import data_url, png
from tests.workers.batches.shop import PNG, Json, Shop, a_line, jsonl, some_lines
from workers.delivery.manifest import ManifestService
from workers.upkeep.batches import delete_deleted_batches, purge_old_batches


def ids(lines: list[Json]) -> list[str]:
    return [line["custom_id"] for line in lines]


def test_a_line_with_a_bad_body_fails_alone(shop: Shop) -> None:
    lines = [a_line(0), a_line(1, size="100x100"), a_line(2, colour="red"), a_line(3)]
    batch = shop.run(shop.create(jsonl(lines)))
    assert (batch["status"], batch["request_counts"]) == ("completed", {"total": 4, "completed": 2, "failed": 2})
    assert sorted(ids(shop.lines_of(batch["output_file_id"]))) == ["line-0", "line-3"]
    errors = shop.lines_of(batch["error_file_id"])
    told = {line["custom_id"]: (line["response"]["status_code"], line["response"]["body"]["error"]) for line in errors}
    assert {name: (status, error["param"]) for name, (status, error) in told.items()} == {
        "line-1": (400, "size"),
        "line-2": (400, "colour"),
    }
    assert all(line["response"]["request_id"] for line in errors)


def test_a_render_that_fails_is_in_the_error_file_with_its_job(shop: Shop) -> None:
    shop.fails = lambda claim: claim.settings.prompt == "picture 1"
    batch = shop.run(shop.create(some_lines(3)))
    assert batch["request_counts"] == {"total": 3, "completed": 2, "failed": 1}
    (line,) = shop.lines_of(batch["error_file_id"])
    assert (line["custom_id"], line["response"]["status_code"]) == ("line-1", 500)
    assert line["response"]["body"]["error"]["code"] == "render_failed"
    assert shop.http.get(f"/v1/jobs/{line['job_id']}").get_json()["status"] == "failed"


def test_defaults_are_for_lines_that_do_not_say_it_themselves(shop: Shop) -> None:
    defaults = {"size": "512x256", "num_inference_steps": 3, "seed": 40}
    lines = [a_line(0), a_line(1, seed=7, size="256x256"), a_line(2, width=320, height=320)]
    batch = shop.run(shop.create(jsonl(lines), defaults=defaults))
    bodies = {line["line"]: line["response"]["body"] for line in shop.lines_of(batch["output_file_id"])}
    assert {line: (body["seed"], body["rendered_size"]) for line, body in bodies.items()} == {
        1: (40, "512x256"),
        2: (7, "256x256"),
        3: (42, "320x320"),
    }
    assert {body["num_inference_steps"] for body in bodies.values()} == {3}
    assert {body["priority"] for body in bodies.values()} == {"batch"}


def test_defaults_with_which_nothing_can_be_rendered_are_refused(shop: Shop) -> None:
    asked = {"input_file_id": shop.upload(some_lines(1)), "endpoint": "/v1/jobs", "completion_window": "24h"}
    answer = shop.http.post("/v1/batches", json={**asked, "defaults": {"size": "100x100"}})
    assert (answer.status_code, answer.get_json()["error"]["param"]) == (400, "defaults.size")


def test_only_a_few_lines_are_jobs_at_a_time(shop: Shop) -> None:
    batch = shop.create(some_lines(40))
    shop.work()
    assert shop.batch(batch)["num_released"] == shop.house.settings.batch_spare
    shop.render(5)
    shop.stir()
    shop.work()
    assert shop.batch(batch)["num_released"] == shop.house.settings.batch_spare


def test_a_paused_batch_releases_nothing_until_it_is_resumed(shop: Shop) -> None:
    batch = shop.create(some_lines(20))
    shop.work()
    assert shop.do(batch, "pause")["paused"]
    shop.render()
    shop.stir()
    shop.work()
    found = shop.batch(batch)
    assert (found["status"], found["num_released"]) == ("in_progress", 0)
    assert found["request_counts"]["completed"] == shop.house.settings.batch_spare
    assert not shop.do(batch, "resume")["paused"]
    assert shop.run(batch)["request_counts"]["completed"] == 20


def test_a_cancelled_batch_keeps_what_it_has_and_accounts_for_every_line(shop: Shop) -> None:
    batch = shop.create(some_lines(20))
    shop.work()
    shop.render(3)
    assert shop.do(batch, "cancel")["status"] == "cancelling"
    assert shop.do(batch, "cancel")["status"] == "cancelling"
    found = shop.run(batch)
    assert (found["status"], found["request_counts"]) == ("cancelled", {"total": 20, "completed": 3, "failed": 17})
    assert len(shop.lines_of(found["output_file_id"])) == 3
    errors = shop.lines_of(found["error_file_id"])
    codes = Counter(line["error"]["code"] if line["error"] else "its job" for line in errors)
    assert codes == {"its job": 5, "batch_cancelled": 12}
    assert shop.render() == 0


def test_a_batch_can_be_cancelled_before_its_lines_were_looked_at(shop: Shop) -> None:
    batch = shop.create(some_lines(3))
    shop.do(batch, "cancel")
    assert shop.run(batch)["status"] == "cancelled"


def test_a_retry_of_another_batch_can_be_cancelled_before_its_lines_were_looked_at(shop: Shop) -> None:
    shop.fails = lambda claim: True
    first = shop.run(shop.create(some_lines(3)))
    asked = {key: first[key] for key in ("input_file_id", "endpoint", "completion_window")}
    second = shop.http.post("/v1/batches", json={**asked, "retry_of": first["id"]}).get_json()
    shop.do(second, "cancel")
    found = shop.run(second)
    assert (found["status"], found["request_counts"]["failed"]) == ("cancelled", 3)
    assert len(shop.lines_of(found["error_file_id"])) == 3


def test_what_is_not_finished_in_its_window_expires(shop: Shop) -> None:
    batch = shop.create(some_lines(20))
    shop.work()
    shop.render(2)
    shop.client.hset(f"gridpress:batch:{batch['id']}", "expires_ms", 1)
    shop.stir()
    shop.work()
    assert shop.batch(batch)["status"] == "finalizing"
    shop.render()  # of the lines that were begun; without the time travel their own deadlines end them
    found = shop.run(batch)
    assert (found["status"], found["request_counts"]["failed"]) == ("expired", 12)
    errors = shop.lines_of(found["error_file_id"])
    assert {line["error"]["code"] for line in errors} == {"batch_expired"}


def test_lines_that_failed_are_retried_in_place(shop: Shop) -> None:
    shop.fails = lambda claim: claim.settings.prompt in ("picture 2", "picture 7")
    lines = [a_line(number) for number in range(10)] + [a_line(10, size="1x1")]
    batch = shop.run(shop.create(jsonl(lines)))
    assert batch["request_counts"] == {"total": 11, "completed": 8, "failed": 3}
    former = batch["output_file_id"]
    shop.fails = lambda claim: claim.settings.prompt == "picture 7"
    assert shop.do(batch, "retry")["status"] == "in_progress"
    batch = shop.run(batch)
    assert batch["request_counts"] == {"total": 11, "completed": 9, "failed": 2}
    assert sorted(ids(shop.lines_of(batch["error_file_id"]))) == ["line-10", "line-7"]
    assert len(shop.lines_of(batch["output_file_id"])) == 9
    assert shop.http.get(f"/v1/files/{former}").status_code == 404
    assert Counter(ids(shop.results(batch)))["line-7"] == 2


def test_a_batch_without_lines_to_retry_is_not_retried(shop: Shop) -> None:
    batch = shop.create(some_lines(1))
    for _ in range(2):
        answer = shop.http.post(f"/v1/batches/{batch['id']}/retry")
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (409, "batch_not_retryable")
        shop.run(batch)
    answer = shop.http.post(f"/v1/batches/{batch['id']}/pause")
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (409, "batch_ended")


def test_lines_that_failed_are_retried_as_a_new_batch_when_their_file_is_gone(shop: Shop) -> None:
    shop.fails = lambda claim: claim.settings.prompt == "picture 2"
    first = shop.run(shop.create(some_lines(5)))
    shop.fails = lambda claim: False
    asked = {key: first[key] for key in ("input_file_id", "endpoint", "completion_window")}
    second = shop.http.post("/v1/batches", json={**asked, "retry_of": first["id"]}).get_json()
    shop.http.delete(f"/v1/files/{first['input_file_id']}")
    second = shop.run(second)
    assert (second["retry_of"], second["request_counts"]) == (first["id"], {"total": 1, "completed": 1, "failed": 0})
    assert ids(shop.lines_of(second["output_file_id"])) == ["line-2"]


def test_a_batch_outlives_its_file(shop: Shop) -> None:
    batch = shop.create(some_lines(20))
    shop.work()
    shop.http.delete(f"/v1/files/{batch['input_file_id']}")
    assert shop.run(batch)["request_counts"]["completed"] == 20


def test_results_grow_while_it_runs(shop: Shop) -> None:
    batch = shop.create(some_lines(12))
    shop.work()
    shop.render(4)
    shop.stir()
    shop.work()
    before = shop.results(batch)
    assert len(before) == 4
    output = shop.http.get(f"/v1/batches/{batch['id']}/output").data
    assert [json.loads(line) for line in output.splitlines()] == before
    shop.run(batch)
    after = shop.results(batch)
    assert after[:4] == before
    assert Counter(ids(after)) == dict.fromkeys((f"line-{number}" for number in range(12)), 1)


@pytest.mark.parametrize("endpoint", ["/v1/jobs", "/v1/images/generations"])
def test_pictures_stay_when_the_records_of_their_jobs_are_gone(shop: Shop, endpoint: str) -> None:
    batch = shop.run(shop.create(some_lines(2, endpoint, n=2), endpoint))
    shop.client.delete(*shop.client.keys("gridpress:job:*"))
    manifest = shop.http.get(f"/v1/batches/{batch['id']}/manifest").data.splitlines()
    for picture in map(json.loads, manifest):
        path = picture["url"].removeprefix(shop.house.settings.public_url)
        assert shop.http.get(path).data == PNG
    assert len(manifest) == 4


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_the_archive_holds_every_picture_and_names_it(shop: Shop, kind: str) -> None:
    lines = [{**a_line(number), "custom_id": f"../{number}/ü"} for number in range(3)]
    batch = shop.run(shop.create(jsonl(lines)))
    answer = shop.http.get(f"/v1/batches/{batch['id']}/archive?format={kind}")
    assert (answer.status_code, answer.headers["Content-Type"]) == (
        200,
        f"application/{'x-tar' if kind == 'tar' else kind}",
    )
    *pictures, (last, manifest) = unpacked(answer.data, kind)
    told = [json.loads(line) for line in manifest.splitlines()]
    assert last == f"{batch['id']}/manifest.jsonl"
    assert pictures == [(f"{batch['id']}/{picture['file']}", PNG) for picture in told]
    assert sorted(picture["custom_id"] for picture in told) == [f"../{number}/ü" for number in range(3)]
    assert {name.count("/") for name, _ in pictures} == {1}


def test_a_picture_that_is_gone_is_left_out_of_the_archive(shop: Shop) -> None:
    batch = shop.run(shop.create(some_lines(3)))
    job = shop.results(batch)[1]["job_id"]
    shop.house.objects.delete_prefix(f"jobs/{job}/")
    for kind in ("tar", "zip"):
        data = shop.http.get(f"/v1/batches/{batch['id']}/archive?format={kind}").data
        *pictures, (_, manifest) = unpacked(data, kind)
        assert len(pictures) == len(manifest.splitlines()) == 2


def unpacked(data: bytes, kind: str) -> list[tuple[str, bytes]]:
    """Names and contents. A zip is checked against its checksums, and holds nothing that was compressed again."""
    if kind == "tar":
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            return [(member.name, tar.extractfile(member).read()) for member in tar]  # type: ignore[union-attr]
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert {member.compress_type for member in archive.infolist()} == {zipfile.ZIP_STORED}
        return [(name, archive.read(name)) for name in archive.namelist()]


def test_b64_is_in_the_file_where_a_line_asks_for_it(shop: Shop) -> None:
    endpoint = "/v1/images/generations"
    lines = jsonl([a_line(0, endpoint), a_line(1, endpoint, response_format="b64_json")])
    batch = shop.run(shop.create(lines, endpoint))
    data = {line["line"]: line["response"]["body"]["data"][0] for line in shop.lines_of(batch["output_file_id"])}
    assert ["b64_json" in data[line] for line in (1, 2)] == [False, True]
    assert all("X-Amz" not in datum["url"] for datum in data.values())


def test_a_batch_waits_while_its_tenant_has_enough_queued(shop: Shop) -> None:
    KeyStore(shop.client).set_limits(TenantId("default"), TenantLimits(queued_renders=3))
    batch = shop.create(some_lines(10))
    shop.work()
    found = shop.batch(batch)
    assert (found["num_released"], found["waiting_for"]) == (3, "queued_renders")
    assert shop.run(batch)["request_counts"]["completed"] == 10


def test_a_line_that_its_tenant_has_no_room_for_uses_no_pixels(shop: Shop) -> None:
    limits = TenantLimits(queued_renders=3, pixels_per_day=6 * 256 * 256)
    KeyStore(shop.client).set_limits(TenantId("default"), limits)
    batch = shop.create(some_lines(3, size="256x256", n=2))
    for _ in range(5):
        shop.stir()
        shop.work()
    found = shop.batch(batch)
    assert (found["num_released"], found["waiting_for"]) == (1, "queued_renders")
    assert shop.run(batch)["request_counts"]["completed"] == 3


@pytest.mark.attack
@pytest.mark.parametrize("limits", [TenantLimits(queued_renders=3), TenantLimits(pixels_per_day=3 * 256 * 256)])
def test_a_line_that_can_never_go_out_holds_up_nobody(shop: Shop, limits: TenantLimits) -> None:
    KeyStore(shop.client).set_limits(TenantId("default"), limits)
    lines = [a_line(0, size="256x256"), a_line(1, size="256x256", n=4), a_line(2, size="256x256")]
    found = shop.run(shop.create(jsonl(lines)))
    assert found["request_counts"] == {"total": 3, "completed": 2, "failed": 1}
    (error,) = shop.lines_of(found["error_file_id"])
    assert (error["line"], error["response"]["body"]["error"]["code"]) == (2, "over_limit")


@pytest.mark.attack
def test_a_line_whose_job_is_given_another_life_before_it_was_collected_counts_once(shop: Shop) -> None:
    shop.fails = lambda claim: True
    batch = shop.create(some_lines(2))
    shop.work()
    shop.render()
    retried, left = (f"/v1/jobs/{line_job_id(BatchId(batch['id']), 0, line)}" for line in range(2))
    assert shop.http.post(f"{retried}/retry").status_code in (200, 202)
    assert shop.batch(batch)["request_counts"] == {"total": 2, "completed": 0, "failed": 1}
    shop.fails = lambda claim: False
    found = shop.run(batch)
    assert found["request_counts"] == {"total": 2, "completed": 1, "failed": 1}
    assert [shop.http.get(job).get_json()["status"] for job in (retried, left)] == ["succeeded", "failed"]
    assert len(shop.lines_of(found["output_file_id"])) == len(shop.lines_of(found["error_file_id"])) == 1


@pytest.mark.attack
@pytest.mark.parametrize("ends_again", [False, True])
def test_a_job_that_goes_on_while_its_result_is_being_stored_is_collected_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, ends_again: bool
) -> None:
    shop.fails = lambda claim: True
    batch = shop.create(some_lines(1))
    shop.work()
    shop.render()
    put = shop.house.objects.put

    def put_late(key: ObjectKey, data: bytes, content_type: str) -> None:
        put(key, data, content_type)
        monkeypatch.undo()
        job = line_job_id(BatchId(batch["id"]), 0, 0)
        assert shop.http.post(f"/v1/jobs/{job}/retry").status_code in (200, 202)
        shop.fails = lambda claim: False
        if ends_again:
            shop.render()

    monkeypatch.setattr(shop.house.objects, "put", put_late)
    found = shop.run(batch)
    assert found["request_counts"] == {"total": 1, "completed": 1, "failed": 0}
    assert [line["response"]["status_code"] for line in shop.results(batch)] == [200]


def test_a_batch_waits_while_its_tenant_has_stored_all_that_it_may(shop: Shop) -> None:
    store = KeyStore(shop.client)
    batch = shop.create(some_lines(5))
    store.set_limits(TenantId("default"), TenantLimits(stored_bytes=1))
    shop.work()
    found = shop.batch(batch)
    assert (found["num_released"], found["waiting_for"], found["status"]) == (0, "stored_bytes", "in_progress")
    store.set_limits(TenantId("default"), TenantLimits())
    shop.stir()
    shop.work()
    store.set_limits(TenantId("default"), TenantLimits(stored_bytes=1))
    found = shop.run(batch)  # what was accepted is rendered, and its results are stored
    assert (found["status"], found["request_counts"]["completed"]) == ("completed", 5)
    assert len(shop.lines_of(found["output_file_id"])) == 5


def shrink(shop: Shop) -> None:
    """Upkeep and delivery, once the retention of all jobs is over."""
    upkeep = UpkeepStore(shop.client)
    upkeep.purge(-1)
    manifests = ManifestStore(shop.client, lease_ttl_s=60)
    delivery = ManifestService(manifests, JobStore(shop.client), shop.house.objects, shop.house.settings)
    while delivery.write_one():
        pass
    for job in shop.client.zrange("gridpress:finished", 0, -1):
        shop.client.zadd("gridpress:finished", {job: 0})
    upkeep.purge(-1)


def test_pictures_of_a_batch_count_until_the_batch_is_deleted_though_its_jobs_have_shrunk(shop: Shop) -> None:
    tenant, store = TenantId("default"), shop.house.store
    batch = shop.run(shop.create(some_lines(3)))
    files = sum(each["bytes"] for each in shop.http.get("/v1/files").get_json()["data"])
    pictures = store.stored_bytes(tenant) - files
    jobs = shop.http.get("/v1/jobs").get_json()["data"]
    assert pictures > 0
    shrink(shop)
    assert list(shop.client.scan_iter("gridpress:job:*")) == []
    assert [job["id"] for job in shop.http.get("/v1/jobs").get_json()["data"]] == [job["id"] for job in jobs]
    assert store.stored_bytes(tenant) == pictures + files
    shop.http.delete(f"/v1/batches/{batch['id']}")
    while delete_deleted_batches(shop.house.batches, shop.house.objects):
        pass
    left = sum(each["bytes"] for each in shop.http.get("/v1/files").get_json()["data"])  # the input file
    assert store.stored_bytes(tenant) == left < files
    assert shop.http.get("/v1/jobs").get_json()["data"] == []


def test_a_purged_batch_still_counts_its_pictures(shop: Shop) -> None:
    tenant, store = TenantId("default"), shop.house.store
    shop.run(shop.create(some_lines(2)))
    shrink(shop)
    before = store.stored_bytes(tenant)
    purge_old_batches(shop.house.batches, shop.house.objects, -1)
    assert store.stored_bytes(tenant) == before
    assert len(shop.http.get("/v1/jobs").get_json()["data"]) == 2


def test_a_line_whose_image_has_no_room_waits_until_there_is(shop: Shop) -> None:
    store = KeyStore(shop.client)
    batch = shop.create(jsonl([a_line(0), a_line(1, images=[data_url(png())], size="256x256")]))
    num_bytes = shop.house.store.stored_bytes(TenantId("default"))
    store.set_limits(TenantId("default"), TenantLimits(stored_bytes=num_bytes + 1))
    shop.work()
    assert shop.batch(batch)["num_released"] == 1
    store.set_limits(TenantId("default"), TenantLimits())
    assert shop.run(batch)["request_counts"]["completed"] == 2


def test_a_batch_waits_while_its_tenant_has_used_its_pixels(shop: Shop) -> None:
    KeyStore(shop.client).set_limits(TenantId("default"), TenantLimits(pixels_per_day=2 * 256 * 256))
    batch = shop.create(some_lines(5, size="256x256"))
    shop.work()
    found = shop.batch(batch)
    assert (found["num_released"], found["waiting_for"], found["status"]) == (2, "pixels_per_day", "in_progress")
    KeyStore(shop.client).set_limits(TenantId("default"), TenantLimits())
    assert shop.run(batch)["request_counts"]["completed"] == 5


def test_endpoints_hear_of_the_batch_and_not_of_every_line(shop: Shop) -> None:
    shop.http.post("/v1/webhook_endpoints", json={"url": "https://a.example/"})
    batch = shop.run(shop.create(some_lines(3)))
    told = [
        shop.client.hgetall(f"gridpress:message:{message}")
        for message in shop.client.zrange("gridpress:messages:default", 0, -1)
    ]
    assert [message["type"] for message in told] == ["batch.completed"]
    assert json.loads(told[0]["data"])["id"] == batch["id"]


def test_a_batch_is_forgotten_when_its_time_is_over(shop: Shop) -> None:
    batch = shop.run(shop.create(some_lines(3)))
    batches, objects = shop.house.batches, shop.house.objects
    assert purge_old_batches(batches, objects, retention_s=3600) == 0
    assert purge_old_batches(batches, objects, retention_s=-1) == 1
    assert purge_old_batches(batches, objects, retention_s=-1) == 0
    assert shop.http.get(f"/v1/batches/{batch['id']}").status_code == 404
    assert shop.http.get("/v1/batches").get_json()["data"] == []
    assert [key for key in shop.client.keys("*batch_0*") if "sequence" not in key] == []
    with pytest.raises(ObjectNotFound):
        objects.get(input_key(BatchId(batch["id"])))
    assert len(shop.lines_of(batch["output_file_id"])) == 3


def test_a_waiting_line_costs_the_store_bytes(shop: Shop) -> None:
    """What is kept of a line that waits is one character."""
    batch = shop.create(some_lines(500))
    shop.work()
    assert shop.client.strlen(f"gridpress:batch_lines:{batch['id']}") == 500
    kept = shop.client.keys(f"*{batch['id']}*")
    total = sum(shop.client.memory_usage(key) or 0 for key in kept)
    assert total / 500 < 10


def test_pictures_of_lines_count_for_the_api_key_that_created_the_batch(shop: Shop) -> None:
    keys = KeyStore(shop.client)
    (creator, text), (reader, other) = (keys.create(TenantId("acme"), [Scope.RENDER, Scope.READ]) for _ in range(2))
    shop.http.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {text}"
    file_id = shop.http.post(
        "/v1/files", data={"purpose": "batch", "file": (io.BytesIO(some_lines(3, n=2, size="256x256")), "a.jsonl")}
    ).get_json()["id"]
    asked = {"input_file_id": file_id, "endpoint": "/v1/jobs", "completion_window": "24h"}
    shop.run(shop.http.post("/v1/batches", json=asked).get_json())
    shop.http.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {other}"
    (row,) = shop.http.get("/v1/usage?group_by=key").get_json()["data"]
    assert (row["key_id"], row["pictures"], row["pixels"]) == (creator.key_id, 6, 6 * 65_536)
    assert (row["ar_device_s"], row["dit_device_s"]) == (3.0, 7.5)
    assert creator.key_id != reader.key_id


def test_a_batch_waits_for_the_budget_of_its_tenant_and_goes_on(shop: Shop) -> None:
    keys, tenant = KeyStore(shop.client), TenantId("default")
    keys.set_limits(tenant, TenantLimits(pictures_per_month=2))
    batch = shop.create(some_lines(5, size="256x256"))
    for _ in range(3):
        shop.stir()
        shop.work()
        shop.render()
    found = shop.batch(batch)
    assert (found["request_counts"]["completed"], found["waiting_for"]) == (2, "pictures_per_month")
    keys.set_limits(tenant, TenantLimits(pictures_per_month=3))
    for _ in range(2):
        shop.stir()
        shop.work()
        shop.render()
    assert shop.batch(batch)["request_counts"]["completed"] == 3
    (month,) = shop.client.keys("gridpress:usage:*")
    shop.client.delete(month)  # as if a new month had begun
    assert shop.run(batch)["request_counts"]["completed"] == 5


def test_a_batch_waits_while_device_seconds_are_used_up(shop: Shop) -> None:
    keys, tenant = KeyStore(shop.client), TenantId("default")
    keys.set_limits(tenant, TenantLimits(device_seconds_per_month=1))
    assert shop.run(shop.create(some_lines(1)))["status"] == "completed"
    batch = shop.create(some_lines(2))
    shop.stir()
    shop.work()
    assert (shop.batch(batch)["waiting_for"], shop.render()) == ("device_seconds_per_month", 0)
    keys.set_limits(tenant, TenantLimits())
    assert shop.run(batch)["request_counts"]["completed"] == 2


def test_a_line_of_more_pictures_than_the_budget_fails_alone(shop: Shop) -> None:
    KeyStore(shop.client).set_limits(TenantId("default"), TenantLimits(pictures_per_month=3))
    lines = [a_line(0, n=4, size="256x256"), a_line(1, size="256x256")]
    batch = shop.run(shop.create(jsonl(lines)))
    assert batch["request_counts"] == {"total": 2, "completed": 1, "failed": 1}
    (line,) = shop.lines_of(batch["error_file_id"])
    assert line["response"]["body"]["error"]["code"] == "over_limit"
