import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from api.app import create_app
from api.readiness import Readiness
from api.services import Services
from shared.access.keys import Scope
from shared.errors import ObjectStoreUnavailable, StoreUnavailable
from shared.hints.queues import Queue
from shared.ids import DEFAULT_TENANT, Revision, WorkerId
from shared.jobs.states import Stage
from shared.schedule.starting_worker import StartingWorker, StartPhase
from shared.schedule.worker_health import WorkerHealth
from shared.settings.settings import Settings
from shared.store.access.capacity import Capacity
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from shared.store.core.durability import Durability
from shared.store.jobs.jobs import JobStore
from shared.store.queues.starts import StartStore
from shared.store.queues.upkeep import UpkeepStore
from shared.store.renders.leases import Announcement, LeaseStore
from tests.shared.store.builders import REVISION, RULES, submitted


def test_a_service_with_both_stores_is_ready(http: FlaskClient) -> None:
    answer = http.get("/readyz")
    assert (answer.status_code, answer.get_json()["checks"]) == (200, {"store": "ok", "object_store": "ok"})


@pytest.mark.parametrize(
    ("part", "error", "name"),
    [("store", StoreUnavailable, "store"), ("objects", ObjectStoreUnavailable, "object_store")],
)
def test_what_is_missing_is_named_and_the_process_lives_on(
    http: FlaskClient, house: Services, monkeypatch: pytest.MonkeyPatch, part: str, error: type[Exception], name: str
) -> None:
    def fail(_: object) -> None:
        raise error("10.1.2.3 does not answer")

    monkeypatch.setattr(type(getattr(house, part)), "check", fail)
    answer = http.get("/readyz")
    checks = answer.get_json()["checks"]
    assert answer.status_code == 503
    assert [check for check, state in checks.items() if state != "ok"] == [name]
    assert "10.1.2.3" not in answer.text
    assert http.get("/healthz").get_json() == {"status": "ok"}


def test_workers_that_load_their_model_are_shown_to_everyone(http: FlaskClient, client: Client) -> None:
    assert http.get("/readyz").get_json()["starting"] == []
    starts = StartStore(client)
    starts.report(WorkerId("a"), StartingWorker(Stage.DIT, StartPhase.LOADING, 300, 900, 100.0))
    starts.report(WorkerId("b"), StartingWorker(Stage.AR, StartPhase.WARMING_UP))
    nothing = {"done_bytes": 0, "total_bytes": None, "bytes_per_s": 0, "left_s": None}
    half = {"done_bytes": 300, "total_bytes": 900, "bytes_per_s": 100, "left_s": 6}
    assert http.get("/readyz").get_json()["starting"] == [
        {"stage": "ar", "phase": "warming_up", **nothing},
        {"stage": "dit", "phase": "loading", **half},
    ]
    starts.end(WorkerId("b"))
    assert [each["stage"] for each in http.get("/readyz").get_json()["starting"]] == ["dit"]


def test_exact_in_fp8_is_said_aloud(http: FlaskClient, client: Client) -> None:
    assert http.get("/readyz").get_json()["exact_in_fp8"] is False
    leases = LeaseStore(client, RULES)
    for revision, said in (("abc-fp8", True), ("abc", False)):
        leases.beat(Announcement(WorkerId(f"ar-{revision}"), Queue.AR, 4, Revision(revision)), [])
        assert http.get("/readyz").get_json()["exact_in_fp8"] is said


@pytest.mark.attack
def test_an_object_store_that_takes_no_writes_is_not_ready(http: FlaskClient, house: Services) -> None:
    house.object_writes.note("No space left on device in /var/lib/tenant")
    answer = http.get("/readyz")
    assert (answer.status_code, answer.get_json()["checks"]["object_store"]) == (503, ObjectStoreUnavailable.code)
    assert "tenant" not in answer.text
    house.object_writes.note("")
    assert http.get("/readyz").status_code == 200


@pytest.mark.attack
def test_a_job_says_that_it_waits_for_the_object_store(http: FlaskClient, house: Services, store: JobStore) -> None:
    job = submitted(store)
    url = f"/v1/jobs/{job.job_id}"
    assert http.get(url).get_json()["waiting_for"] is None
    house.object_writes.note("No space left on device")
    assert http.get(url).get_json()["waiting_for"] == "object_store"
    store.cancel(job.job_id, DEFAULT_TENANT)
    assert http.get(url).get_json()["waiting_for"] is None


def test_a_202_is_worth_what_readiness_says(house: Services) -> None:
    relaxed = replace(house, durability=Durability("relaxed", 2.0))
    for service, promise in (
        (house, {"mode": "always", "window_s": 0.0}),
        (relaxed, {"mode": "relaxed", "window_s": 2.0}),
    ):
        assert create_app(service).test_client().get("/readyz").get_json()["durability"] == promise


def test_a_service_that_takes_no_more_jobs_is_still_ready_to_be_read(house: Services, client: Client) -> None:
    full = replace(house, capacity=Capacity(client, Settings(max_queued_renders=0)))
    answer = create_app(full).test_client().get("/readyz")
    assert (answer.status_code, answer.get_json()["status"], answer.get_json()["intake"]) == (200, "ok", "queue_full")


@pytest.mark.attack
def test_many_probes_at_once_are_one_look(house: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    looks, may_end = [], threading.Event()

    def check(_: object) -> None:
        looks.append(1)
        may_end.wait()

    monkeypatch.setattr(type(house.store), "check", check)
    app, statuses = create_app(replace(house, readiness=Readiness(ttl_s=60))), list[int]()
    probes = [
        threading.Thread(target=lambda: statuses.append(app.test_client().get("/readyz").status_code))
        for _ in range(50)
    ]
    for probe in probes:
        probe.start()
    may_end.set()
    for probe in probes:
        probe.join()
    assert (len(looks), statuses) == (1, [200] * 50)


@pytest.mark.attack
def test_checks_that_hang_are_told_of_in_time_and_begun_once(house: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them hang for as long as the test lasts, so only the limit can answer."""
    begun, may_end = list[str](), threading.Event()

    def hanging(name: str) -> Callable[[object], None]:
        def check(_: object) -> None:
            begun.append(name)
            may_end.wait(60)

        return check

    parts = {"store": house.store, "objects": house.objects, "capacity": house.capacity, "keys": house.keys}
    for name, part in parts.items():
        monkeypatch.setattr(type(part), "is_open" if name == "keys" else "check", hanging(name))
    monkeypatch.setattr(type(house.throughput), "loads", hanging("pace"))
    monkeypatch.setattr(type(house.throughput), "signs", hanging("signs"))
    http = create_app(replace(house, readiness=Readiness(ttl_s=0, limit_s=0.05))).test_client()
    for _ in range(3):
        answer = http.get("/readyz")
        assert answer.status_code == 503
        assert answer.get_json()["checks"] == {"store": "store_unavailable", "object_store": "object_store_unavailable"}
        assert (answer.get_json()["stages"], answer.get_json()["access"]) == (None, None)
    assert sorted(begun) == ["capacity", "keys", "objects", "pace", "signs", "store"]
    may_end.set()


@pytest.mark.attack
def test_a_probe_with_a_key_does_not_wait_for_a_store_that_is_away(
    http: FlaskClient, house: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise StoreUnavailable

    looks: list[str] = []
    monkeypatch.setattr(type(house.store), "check", fail)
    monkeypatch.setattr(type(house.keys), "is_open", lambda _: False)
    monkeypatch.setattr(type(house.keys), "holder", lambda _, text: looks.append(text))
    assert http.get("/readyz", headers={"Authorization": "Bearer gp_unknown"}).status_code == 503
    assert looks == []


@pytest.mark.attack
def test_one_store_that_hangs_says_nothing_of_the_other(house: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    may_end = threading.Event()
    monkeypatch.setattr(type(house.objects), "check", lambda _: may_end.wait(60))
    http = create_app(replace(house, readiness=Readiness(limit_s=0.5))).test_client()
    assert http.get("/readyz").get_json()["checks"] == {"store": "ok", "object_store": "object_store_unavailable"}
    may_end.set()


@pytest.mark.attack
def test_revisions_are_named_to_operators_only(http: FlaskClient, client: Client, store: JobStore) -> None:
    submitted(store)
    assert http.get("/readyz").get_json()["stages"]["ar"]["unserved"] == {"": 1}
    text, admin = (KeyStore(client).create(DEFAULT_TENANT, [scope])[1] for scope in (Scope.OPERATOR, Scope.ADMIN))
    told = {
        key: http.get("/readyz", headers={"Authorization": f"Bearer {key}"} if key else {}).get_json()["stages"]["ar"]
        for key in (text, "", "gp_wrong", text[:-8] + "2" * 8, admin)
    }
    assert told[text]["unserved"] == {"": 1}
    assert [set(stage) for key, stage in told.items() if key != text] == [{"workers", "slots"}] * 4


@pytest.mark.attack
def test_a_loss_is_described_to_operators_only(http: FlaskClient, house: Services, client: Client) -> None:
    house.ledger.note_loss("3 of 7 accepted jobs are gone", 5)
    keys = [KeyStore(client).create(DEFAULT_TENANT, [scope])[1] for scope in (Scope.ADMIN, Scope.OPERATOR)]
    told = [http.get("/readyz", headers={"Authorization": f"Bearer {key}"}).get_json()["store_loss"] for key in keys]
    assert told == ["yes: ask with an API key of the scope operator", "3 of 7 accepted jobs are gone"]


@pytest.mark.attack
def test_a_loss_is_told_until_somebody_knows(http: FlaskClient, house: Services) -> None:
    assert http.get("/readyz").get_json()["store_loss"] is None
    house.ledger.note_loss("3 of 7 accepted jobs are gone", 5)
    assert http.get("/readyz").get_json()["store_loss"] == "3 of 7 accepted jobs are gone"
    assert http.get("/v1/stats").get_json()["faults"] == {"store.loss": 1}
    house.ledger.acknowledge()
    assert http.get("/readyz").get_json()["store_loss"] is None


@pytest.mark.attack
@pytest.mark.parametrize(("num_hearing", "status"), [(0, "degraded"), (1, "ok")])
def test_workers_that_ask_for_no_work_are_told_of(
    house: Services, client: Client, num_hearing: int, status: str
) -> None:
    """They live, beat and count; without a word nobody would look for them."""
    leases = LeaseStore(client, RULES)
    for number, silent_s in enumerate([60.0, *[0.0] * num_hearing]):
        worker = Announcement(WorkerId(f"w{number}"), Queue.DIT, 1, REVISION)
        leases.beat(worker, [], signs=WorkerHealth(silent_s=silent_s))
    http = create_app(replace(house, readiness=Readiness(ttl_s=0))).test_client()
    answer = http.get("/readyz")
    assert (answer.status_code, answer.get_json()["status"], answer.get_json()["deaf"]) == (200, status, {"dit": 1})
    assert http.get("/v1/stats").get_json()["workers"]["dit"]["deaf"] == 1


def test_a_stage_that_stands_still_is_told_of(house: Services, client: Client, store: JobStore) -> None:
    """Its worker lives, beats and asks, so nothing else would tell."""
    submitted(store)
    LeaseStore(client, RULES).beat(Announcement(WorkerId("w"), Queue.AR, 1, REVISION), [])
    http = create_app(replace(house, readiness=Readiness(ttl_s=0))).test_client()
    for status, stalled in (("ok", []), ("degraded", ["ar"])):
        answer = http.get("/readyz")
        assert (answer.status_code, answer.get_json()["status"], answer.get_json()["stalled"]) == (200, status, stalled)
        assert http.get("/v1/stats").get_json()["stages"]["ar"]["is_stalled"] == bool(stalled)
        for _ in range(2):
            UpkeepStore(client).look_for_stalls(RULES.prior_ready_limit_min, 0)


def test_the_workers_that_the_work_asks_for_are_told_also_from_zero(http: FlaskClient, store: JobStore) -> None:
    submitted(store)
    stages = http.get("/v1/stats").get_json()["stages"]
    assert [(stages[name]["workers"], stages[name]["wanted_workers"]) for name in ("ar", "dit")] == [(0, 1), (0, 1)]
    assert (stages["ar"]["open"], stages["ar"]["backlog_s"]) == (1, None)
