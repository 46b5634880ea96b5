"""What a caller says of a batch's place among the tenant's own, what is answered, and what is refused."""

from datetime import UTC, datetime, timedelta
from typing import Any

from shared.store.core.connect import Client
from tests.workers.batches.shop import Json, Shop, some_lines


def in_hours(hours: float) -> str:
    moment = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=hours)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def keys_of(client: Client) -> dict[str, bytes | None]:
    """All keys of the store with their values, as a dump, but for the notes of the last look at the clock."""
    keys = [key for key in client.keys("*") if key != "gridpress:clock"]
    return {key: client.execute_command("DUMP", key, NEVER_DECODE=[]) for key in keys}


def custom_ids(shop: Shop, batch: Json) -> list[str]:
    return [line["custom_id"] for line in shop.results(batch)]


def test_a_batch_is_answered_with_its_priority_and_finish_by(shop: Shop) -> None:
    moment = in_hours(5)
    batch = shop.create(some_lines(1), priority="high", finish_by=moment)
    assert (batch["priority"], batch["finish_by"]) == ("high", moment)
    found = shop.batch(batch)
    assert (found["priority"], found["finish_by"]) == ("high", moment)
    plain = shop.create(some_lines(1))
    assert (plain["priority"], plain["finish_by"]) == ("batch", None)


def test_normal_is_another_name_of_the_priority_batch(shop: Shop) -> None:
    for asked, answered in (("normal", "batch"), ("batch", "batch"), ("low", "low")):
        assert shop.create(some_lines(1), priority=asked)["priority"] == answered


def test_an_offset_other_than_utc_is_the_same_moment(shop: Shop) -> None:
    moment = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=5)
    with_offset = (moment + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S+02:00")
    assert shop.create(some_lines(1), finish_by=with_offset)["finish_by"] == moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def test_a_high_batch_is_drawn_before_an_older_one_and_that_one_says_why_it_waits(shop: Shop) -> None:
    first = shop.create(some_lines(30))
    shop.work()
    urgent = shop.create(some_lines(12), priority="high")
    shop.work()
    shop.stir()
    shop.work()
    assert shop.batch(first)["waiting_for"] == "other_batches"
    assert shop.render(8) == 8
    assert shop.batch(urgent)["request_counts"]["completed"] == 8
    assert shop.batch(first)["request_counts"]["completed"] == 0
    assert shop.run(urgent)["request_counts"]["completed"] == 12
    assert shop.run(first)["request_counts"]["completed"] == 30


def test_a_change_of_priority_moves_the_lines_that_are_released_already(shop: Shop) -> None:
    first, second = shop.create(some_lines(6)), shop.create(some_lines(6))
    shop.work()
    shop.stir()
    shop.work()
    answer = shop.http.patch(f"/v1/batches/{second['id']}", json={"priority": "high"})
    assert (answer.status_code, answer.get_json()["priority"]) == (200, "high")
    shop.stir()
    shop.work()
    shop.render(6)
    assert shop.batch(second)["request_counts"]["completed"] == 6
    assert shop.batch(first)["request_counts"]["completed"] == 0


def test_the_earlier_finish_by_goes_first_and_null_takes_it_away(shop: Shop) -> None:
    first = shop.create(some_lines(6), finish_by=in_hours(9))
    second = shop.create(some_lines(6), finish_by=in_hours(3))
    shop.work()
    shop.stir()
    shop.work()
    shop.render(2)
    assert shop.batch(second)["request_counts"]["completed"] == 2
    path = f"/v1/batches/{second['id']}"
    assert shop.http.patch(path, json={"finish_by": None}).get_json()["finish_by"] is None
    shop.stir()
    shop.work()
    shop.render(6)
    assert shop.batch(first)["request_counts"]["completed"] == 6


def test_a_batch_can_go_over_to_the_class_of_single_pictures_and_back(shop: Shop) -> None:
    batch = shop.create(some_lines(20), finish_by=in_hours(9))
    path = f"/v1/batches/{batch['id']}"
    changed = shop.http.patch(path, json={"priority": "interactive"}).get_json()
    assert (changed["priority"], changed["finish_by"]) == ("interactive", batch["finish_by"])
    shop.work()
    assert {job["priority"] for job in shop.http.get("/v1/jobs").get_json()["data"]} == {"interactive"}
    assert shop.http.patch(path, json={"priority": "low"}).get_json()["priority"] == "low"
    assert shop.run(batch)["request_counts"]["completed"] == 20


def test_a_batch_that_has_ended_is_not_changed(shop: Shop) -> None:
    batch = shop.run(shop.create(some_lines(1)))
    answer = shop.http.patch(f"/v1/batches/{batch['id']}", json={"priority": "high"})
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (409, "batch_ended")
    answer = shop.http.patch("/v1/batches/batch_01ke6q8v3c9t0n5w7x2z4b6d8f", json={"priority": "high"})
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (404, "batch_not_found")


BAD: dict[str, tuple[str, Any]] = {
    "an unknown priority": ("priority", "urgent"),
    "a priority in capitals": ("priority", "HIGH"),
    "a priority as a number": ("priority", 5),
    "no priority": ("priority", None),
    "a list": ("priority", ["high"]),
    "no zone": ("finish_by", "2099-01-01T00:00:00"),
    "a day": ("finish_by", "2099-01-01"),
    "the past": ("finish_by", "2020-01-01T00:00:00Z"),
    "more than a year ahead": ("finish_by", "9999-12-31T23:59:59Z"),
    "outside the years": ("finish_by", "9999-12-31T23:59:59-12:00"),
    "a leap second": ("finish_by", "2026-12-31T23:59:60Z"),
    "no such day": ("finish_by", "2027-02-30T00:00:00Z"),
    "a number": ("finish_by", 1_900_000_000),
    "infinity": ("finish_by", 1e400),
    "words": ("finish_by", "tomorrow"),
    "nothing": ("finish_by", ""),
    "an object": ("finish_by", {"in": "5h"}),
    "true": ("finish_by", True),
    "NUL": ("finish_by", "2027-01-01T00:00:00Z\0"),
    "not Boolean": ("dry_run", "maybe"),
}


def test_what_is_wrong_is_named_and_nothing_is_stored(shop: Shop, client: Client) -> None:
    asked = {"input_file_id": shop.upload(some_lines(1)), "endpoint": "/v1/jobs", "completion_window": "24h"}
    batch = shop.http.post("/v1/batches", json=asked).get_json()
    before = keys_of(client)
    for name, (field, value) in BAD.items():
        for answer in (
            shop.http.post("/v1/batches", json={**asked, field: value}),
            shop.http.patch(f"/v1/batches/{batch['id']}", json={field: value}),
        ):
            assert (answer.status_code, answer.get_json()["error"]["param"]) == (400, field), name
    assert keys_of(client) == before


def test_a_change_names_what_is_to_change(shop: Shop, client: Client) -> None:
    batch = shop.create(some_lines(1))
    before = keys_of(client)
    for body in ({}, {"deadline": "2099-01-01T00:00:00Z"}, [], "high", None):
        assert shop.http.patch(f"/v1/batches/{batch['id']}", json=body).status_code == 400
    assert keys_of(client) == before
