"""Reading many jobs by their ids with one request."""

from typing import Any

import pytest
import redis.client
from flask.testing import FlaskClient

from shared.ids import TenantId, new_job_id
from shared.store.jobs.jobs import JobStore
from tests.api.edge.test_tenants import OTHER, OWNER, fields
from tests.shared.store.builders import submitted

__all__ = ["fields"]


def read(http: FlaskClient, ids: list[str], **what: Any) -> dict[str, Any]:
    answer = http.get("/v1/jobs", query_string={"ids": ",".join(ids)}, **what)
    assert answer.status_code == 200, answer.text
    return dict(answer.get_json())


def names(page: dict[str, Any]) -> list[str]:
    return [job["id"] for job in page["data"]]


def test_jobs_are_read_in_the_order_of_their_ids_and_the_others_are_missing(http: FlaskClient, store: JobStore) -> None:
    first, second = submitted(store).job_id, submitted(store, n=3).job_id
    own = http.put("/v1/jobs/poster-7", json={"prompt": "a"}).get_json()["id"]
    unknown = new_job_id()
    page = read(http, [second, unknown, "poster-7", first, "no-such-name", "?!", second])
    assert names(page) == [second, own, first]
    assert page["missing"] == [unknown, "no-such-name", "?!"]
    assert (page["has_more"], page["next"]) == (False, None)
    assert page["data"][0]["n"] == 3
    repeated = http.get(f"/v1/jobs?ids={first}&ids={second}").get_json()
    assert (names(repeated), repeated["missing"]) == ([first, second], [])


def test_a_job_of_another_tenant_is_missing_like_one_that_does_not_exist(
    http: FlaskClient, store: JobStore, fields: dict[TenantId, dict[str, str]]
) -> None:
    theirs, ours = submitted(store, tenant=OWNER).job_id, submitted(store, tenant=OTHER).job_id
    assert http.put("/v1/jobs/poster", json={"prompt": "a"}, headers=fields[OWNER]).status_code == 202
    page = read(http, [theirs, ours, "poster"], headers=fields[OTHER])
    assert (names(page), page["missing"]) == ([ours], [theirs, "poster"])


def test_many_ids_take_as_many_round_trips_as_two(
    http: FlaskClient, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [submitted(store).job_id for _ in range(40)]
    trips: list[object] = []
    for kind, name in ((redis.client.Redis, "execute_command"), (redis.client.Pipeline, "execute")):
        plain = getattr(kind, name)

        def counted(self: object, *arguments: Any, plain: Any = plain, **named: Any) -> Any:
            trips.append(plain)
            return plain(self, *arguments, **named)

        monkeypatch.setattr(kind, name, counted)
    counts = []
    for some in (ids[:2], ids):
        trips.clear()
        assert names(read(http, some)) == some
        counts.append(len(trips))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("query", ["ids=", "ids=a,,b", f"ids={'a,' * 100}a", f"ids={'a' * 129}", "ids=a&limit=3"])
def test_too_many_or_empty_ids_are_refused(http: FlaskClient, query: str) -> None:
    answer = http.get(f"/v1/jobs?{query}")
    assert answer.status_code == 400
    assert answer.get_json()["field"].startswith("ids")
