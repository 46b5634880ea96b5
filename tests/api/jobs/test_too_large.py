"""What callers read of a picture that is too large for every live worker, each of their own jobs only."""

from collections.abc import Iterator
from typing import cast

import pytest
from flask.testing import FlaskClient

from api.responses import waiting
from shared.access.rights import Scope
from shared.hints.queues import Queue
from shared.ids import JobId, TenantId, WorkerId, new_job_id
from shared.jobs.spec import JobSpec, RenderSettings
from shared.schedule.sizes import Sizes
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.renders.leases import Announcement, LeaseStore
from tests.api.edge.test_platform_scope import fields
from tests.api.jobs.test_events import read
from tests.shared.store.builders import REVISION, RULES

ACME, GLOBEX = TenantId("acme"), TenantId("globex")
USER, OPERATOR = [Scope.RENDER, Scope.READ], [Scope.OPERATOR]


def beat(client: Client, name: str, queue: Queue, sizes: Sizes) -> None:
    LeaseStore(client, RULES).beat(Announcement(WorkerId(name), queue, 1, REVISION, sizes=sizes), [])


def submitted(store: JobStore, tenant: TenantId, side_px: int) -> JobId:
    settings = RenderSettings(prompt="a", width_px=side_px, height_px=side_px)
    return store.submit(new_job_id(), JobSpec(settings=settings, n=1, seed=7, tenant=tenant)).job_id


def test_a_job_says_why_it_waits_until_a_worker_is_large_enough(
    http: FlaskClient, client: Client, store: JobStore
) -> None:
    beat(client, "a", Queue.AR, Sizes())
    beat(client, "d", Queue.DIT, Sizes(frozenset()))
    large, small = submitted(store, ACME, 2048), submitted(store, GLOBEX, 1024)
    acme, globex = fields(client, ACME, USER), fields(client, GLOBEX, USER)
    queue = http.get(f"/v1/jobs/{large}", headers=acme).get_json()["queue"]
    assert queue["reason"] == "no live worker can render 2048x2048: the largest is 1024x1024"
    assert queue["unserved"] == ["dit"]
    assert http.get(f"/v1/jobs/{small}", headers=globex).get_json()["queue"]["reason"] is None
    assert http.get(f"/v1/jobs/{large}", headers=globex).status_code == 404
    beat(client, "d2", Queue.DIT, Sizes(frozenset({"1536", "2048"})))
    queue = http.get(f"/v1/jobs/{large}", headers=acme).get_json()["queue"]
    assert (queue["reason"], queue["unserved"]) == (None, [])


def test_a_stream_says_why_the_job_waits_and_when_it_no_longer_does(
    http: FlaskClient, client: Client, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "_HEARTBEAT_S", 0.0)
    monkeypatch.setattr(waiting, "_TICK_S", 0.01)
    beat(client, "a", Queue.AR, Sizes(frozenset()))
    large, small = submitted(store, ACME, 2048), submitted(store, ACME, 512)
    acme = fields(client, ACME, USER)
    blocks = cast("Iterator[bytes]", http.get(f"/v1/jobs/{large}/events", headers=acme, buffered=False).response)
    said = read(next(blocks).decode())
    reason = "no live worker can render 2048x2048: the largest is 1024x1024"
    assert [(event["event"], event["data"]) for event in said] == [("job.waiting", {"reason": reason})]
    assert "id" not in said[0]
    beat(client, "a2", Queue.AR, Sizes())
    later = (event for block in blocks for event in read(block.decode()))
    assert next(event for event in later if event["event"] == "job.waiting")["data"] == {"reason": None}
    store.cancel(small, ACME)
    assert "job.waiting" not in http.get(f"/v1/jobs/{small}/events", headers=acme).text


def test_only_operators_see_how_much_is_too_large(http: FlaskClient, client: Client, store: JobStore) -> None:
    beat(client, "a", Queue.AR, Sizes(frozenset({"1536"})))
    submitted(store, ACME, 2048)
    shown = {}
    for name, scopes in (("user", USER), ("operator", OPERATOR)):
        answer = http.get("/v1/stats", headers=fields(client, GLOBEX, scopes)).get_json()
        shown[name] = answer["stages"]["ar"]
    assert (shown["user"]["too_large"], shown["user"]["largest"]) == (None, "1536x1536")
    assert (shown["operator"]["too_large"], shown["operator"]["largest"]) == ({"2048x2048": 1}, "1536x1536")
