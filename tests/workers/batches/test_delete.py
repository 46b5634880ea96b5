"""What deleting a batch leaves: nothing of it, and everything of others."""

import pytest

from shared.errors import ObjectNotFound
from shared.ids import DEFAULT_TENANT, JobId, ObjectKey
from tests.workers.batches.shop import Json, Shop, some_lines
from workers.upkeep import batches as upkeep
from workers.upkeep.batches import delete_deleted_batches, purge_old_batches
from workers.upkeep.files import delete_ended_files


def keys_of(shop: Shop) -> set[str]:
    objects = shop.house.objects
    pages = objects._client.get_paginator("list_objects_v2").paginate(Bucket=objects._bucket)
    return {found["Key"] for page in pages for found in page.get("Contents", ())}


def sweep(shop: Shop) -> None:
    """Upkeep, until nothing is left to be done; what is to be done late, too."""
    for entry in shop.client.zrange("gridpress:batch_deleted", 0, -1):
        shop.client.zadd("gridpress:batch_deleted", {entry: 0})
    while delete_deleted_batches(shop.house.batches, shop.house.objects):
        pass
    while delete_ended_files(shop.house.files, shop.house.objects):
        pass


def delete(shop: Shop, batch: Json) -> int:
    return shop.http.delete(f"/v1/batches/{batch['id']}").status_code


def test_a_deleted_batch_leaves_nothing_and_takes_nothing_of_others(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "_MOST_JOBS", 2)
    monkeypatch.setattr(upkeep, "_MOST_OBJECTS", 3)
    other = shop.run(shop.create(some_lines(3, n=2)))
    before = keys_of(shop)
    shop.fails = lambda claim: claim.settings.prompt == "picture 1"
    batch = shop.run(shop.create(some_lines(5, n=2)))
    gone = [batch["output_file_id"], batch["error_file_id"]]
    jobs = [line["job_id"] for line in shop.results(batch)]
    assert delete(shop, batch) == 204
    assert shop.http.get(f"/v1/batches/{batch['id']}").status_code == 404
    assert [found["id"] for found in shop.http.get("/v1/batches").get_json()["data"]] == [other["id"]]
    assert {shop.http.get(f"/v1/files/{file}").status_code for file in gone} == {404}
    sweep(shop)
    assert {shop.http.get(f"/v1/jobs/{job}").status_code for job in jobs} == {404}
    assert keys_of(shop) - before == {f"files/{batch['input_file_id']}"}
    assert before <= keys_of(shop)
    shop.http.delete(f"/v1/files/{batch['input_file_id']}")
    left = [key for key in shop.client.keys("*") if batch["id"] in key or any(job in key for job in jobs)]
    assert left == []
    assert len(shop.results(other)) == 3


def test_only_a_batch_that_is_over_is_deleted_and_only_once(shop: Shop) -> None:
    batch = shop.create(some_lines(2))
    answer = shop.http.delete(f"/v1/batches/{batch['id']}")
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (409, "batch_not_final")
    shop.run(batch)
    assert [delete(shop, batch) for _ in range(2)] == [204, 404]


def test_another_tenants_batch_is_not_there_to_be_deleted(shop: Shop) -> None:
    batch = shop.run(shop.create(some_lines(1)))
    shop.client.hset(f"gridpress:batch:{batch['id']}", "tenant", "other")
    assert delete(shop, batch) == 404


def test_a_line_that_was_given_another_life_is_cancelled_and_goes_too(shop: Shop) -> None:
    shop.fails = lambda claim: True
    batch = shop.run(shop.create(some_lines(1)))
    [line] = shop.results(batch)
    assert shop.http.post(f"/v1/jobs/{line['job_id']}/retry").status_code == 202
    assert not shop.house.store.status(JobId(line["job_id"])).is_final
    assert delete(shop, batch) == 204
    sweep(shop)
    assert shop.http.get(f"/v1/jobs/{line['job_id']}").status_code == 404
    assert shop.render() == 0
    assert shop.house.store.load(DEFAULT_TENANT).queued == 0


def test_a_crash_in_the_middle_of_deleting_is_gone_on_from(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    before = keys_of(shop)
    batch = shop.run(shop.create(some_lines(4)))
    delete(shop, batch)

    def die(*_: object) -> int:
        raise SystemExit("died")

    with monkeypatch.context() as dying:
        dying.setattr(type(shop.house.objects), "delete_some", die)
        delete_deleted_batches(shop.house.batches, shop.house.objects)
        with pytest.raises(SystemExit):
            delete_deleted_batches(shop.house.batches, shop.house.objects)
    sweep(shop)
    assert keys_of(shop) - before == {f"files/{batch['input_file_id']}"}


def test_a_batch_with_a_time_of_its_own_is_deleted_when_it_is_over(shop: Shop) -> None:
    kept = shop.run(shop.create(some_lines(1)))
    batch = shop.run(shop.create(some_lines(1), delete_after_s=3600))
    assert batch["delete_after_s"] == 3600
    purge_old_batches(shop.house.batches, shop.house.objects, retention_s=30)
    assert shop.batch(batch)["status"] == "completed"
    shop.client.zadd("gridpress:batch_expiries", {batch["id"]: 0})
    purge_old_batches(shop.house.batches, shop.house.objects, retention_s=30)
    assert shop.http.get(f"/v1/batches/{batch['id']}").status_code == 404
    sweep(shop)
    with pytest.raises(ObjectNotFound):
        shop.house.objects.get(ObjectKey(f"files/{batch['output_file_id']}"))
    assert len(shop.results(kept)) == 1


def test_a_time_of_its_own_begins_anew_when_a_batch_is_retried(shop: Shop) -> None:
    shop.fails = lambda claim: True
    batch = shop.run(shop.create(some_lines(1), delete_after_s=3600))
    shop.client.zadd("gridpress:batch_expiries", {batch["id"]: 0})
    shop.do(batch, "retry")
    purge_old_batches(shop.house.batches, shop.house.objects, retention_s=30)
    shop.run(batch)
    purge_old_batches(shop.house.batches, shop.house.objects, retention_s=30)
    assert shop.batch(batch)["status"] == "completed"
