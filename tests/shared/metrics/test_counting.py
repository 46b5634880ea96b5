"""What the stores, the threads and the workers' own parts count."""

import socket

import pytest

from shared.errors import ObjectNotFound, ObjectStoreUnavailable, StoreUnavailable
from shared.hints.queues import Queue
from shared.ids import ObjectKey
from shared.jobs.states import Stage
from shared.objects.store import ObjectStore
from shared.process.background import note_fault
from shared.settings.settings import Settings
from shared.store.core.connect import connect
from tests.shared.metrics.reading import counted
from tests.workers.engine.test_thread import Harness
from workers.consumer.health import HintHealth
from workers.device.gauges import show_slots

KEY = ObjectKey("metrics/object")


def _requests(operation: str) -> float:
    return counted("object_store_request_seconds_count", operation=operation)


def test_requests_to_the_object_store_are_timed_by_operation(objects: ObjectStore) -> None:
    before = _requests("PutObject"), _requests("GetObject")
    objects.put(KEY, b"bytes", "text/plain")
    objects.get(KEY)
    assert (_requests("PutObject"), _requests("GetObject")) == (before[0] + 1, before[1] + 1)


def test_a_missing_object_is_no_error_of_the_object_store(objects: ObjectStore) -> None:
    before = counted("object_store_errors_total", operation="GetObject")
    with pytest.raises(ObjectNotFound):
        objects.get(ObjectKey("metrics/none"))
    assert counted("object_store_errors_total", operation="GetObject") == before


def test_an_object_store_that_does_not_answer_is_an_error(s3_settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    nowhere = s3_settings.model_copy(update={"s3_endpoint_url": f"http://127.0.0.1:{port}"})
    objects = ObjectStore(nowhere, fails_fast=True)
    before = counted("object_store_errors_total", operation="PutObject")
    with pytest.raises(ObjectStoreUnavailable):
        objects.put(KEY, b"bytes", "text/plain")
    assert counted("object_store_errors_total", operation="PutObject") == before + 1


def test_a_write_that_is_not_there_is_counted(own_objects: ObjectStore) -> None:
    def other_bytes(params: dict[str, object], **_: object) -> None:
        params["Body"] = b"other"

    own_objects._client.meta.events.register("provide-client-params.s3.PutObject", other_bytes)
    before = counted("object_store_not_stored_total")
    with pytest.raises(ObjectStoreUnavailable):
        own_objects.put(KEY, b"bytes", "text/plain")
    assert counted("object_store_not_stored_total") == before + 1


def test_a_job_store_that_does_not_answer_is_counted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    before = counted("store_errors_total")
    with pytest.raises(StoreUnavailable):
        connect(f"redis://127.0.0.1:{port}")
    assert counted("store_errors_total") == before + 1


def test_a_fault_that_a_thread_survived_is_counted_under_its_name() -> None:
    before = counted("background_faults_total", thread="metered")
    note_fault("metered")
    assert counted("background_faults_total", thread="metered") == before + 1


def test_what_a_worker_recovers_from_is_counted_under_its_queue() -> None:
    hint_health = HintHealth(1, Queue.DIT)
    before = counted("consumer_restarts_total", queue="dit"), counted("work_found_unasked_total", queue="dit")
    hint_health.note_restart()
    hint_health.note_found()
    after = counted("consumer_restarts_total", queue="dit"), counted("work_found_unasked_total", queue="dit")
    assert after == (before[0] + 1, before[1] + 1)


def test_the_slots_in_use_are_read_when_somebody_scrapes() -> None:
    harness = Harness(slots=2)
    show_slots(Stage.AR, harness.slots)
    assert counted("engine_occupancy", stage="ar") == 0
    assert harness.take("one")
    assert counted("engine_occupancy", stage="ar") == 0.5
    assert counted("engine_slots", stage="ar") == 2
    harness.stepper.may_step.set()
    harness.next_outcome()
    assert counted("engine_occupancy", stage="ar") == 0
    harness.engine.stop(30)


def test_every_step_is_heard_of() -> None:
    steps_s: list[float] = []
    harness = Harness(num_steps=3, on_step=steps_s.append)
    harness.stepper.may_step.set()
    assert harness.take("one")
    harness.next_outcome()
    harness.engine.stop(30)
    assert len(steps_s) == 3
