"""What is no hint is rejected and counted; it never ends a worker, and work goes on."""

import json

from shared.celery_app import make_celery
from shared.hints.queues import Queue, celery_list
from shared.jobs.states import Stage
from tests.faults.fleet import Fleet

NO_MESSAGES = ("", "not JSON", b"\xff", "[]", "{}", "null", json.dumps({"body": "x", "headers": {}, "properties": {}}))
NO_HINTS = (None, "x", {"version": "one"}, {"version": 0}, [])


def send(fleet: Fleet, body: object, task: str = Queue.AR.task) -> None:
    assert fleet.settings.redis_url
    make_celery(fleet.settings.redis_url).send_task(task, args=[body], queue=Queue.AR.value)


def goes_on(fleet: Fleet) -> bool:
    """Whether a job that comes now gets through the stage."""
    job = fleet.submit(n=3)
    fleet.wait_until(lambda: fleet.are_all(job, "prior_ready"))
    return True


def test_bytes_that_are_no_message_are_thrown_away_and_counted(fleet: Fleet) -> None:
    worker = fleet.start(Stage.AR)
    fleet.client.lpush(celery_list(Queue.AR), *NO_MESSAGES)
    fleet.wait_until(lambda: f'"num_rejected": {len(NO_MESSAGES)}' in worker.log or not worker.is_running)
    assert worker.is_running, worker.log
    assert goes_on(fleet)


def test_a_message_that_is_no_hint_is_rejected_and_counted(fleet: Fleet) -> None:
    worker = fleet.start(Stage.AR)
    for body in NO_HINTS:
        send(fleet, body)
    send(fleet, {"version": 1}, task="gridpress.ar.unknown")
    fleet.wait_until(lambda: f'"num_rejected": {len(NO_HINTS)}' in worker.log)
    assert goes_on(fleet)
    assert worker.is_running


def test_a_hint_of_a_newer_version_is_left_for_others(fleet: Fleet) -> None:
    worker = fleet.start(Stage.AR)
    send(fleet, {"version": 2, "news": "r"})
    fleet.wait_until(lambda: '"num_left": 1' in worker.log)  # it went back to the queue, where others could have it
    assert goes_on(fleet)
    worker.process.terminate()
    fleet.wait_until(lambda: not worker.is_running)
    assert worker.process.returncode == 0


def test_a_newer_hint_that_nobody_took_for_long_makes_room(fleet: Fleet) -> None:
    worker = fleet.start(Stage.AR)
    send(fleet, {"version": 2, "num_left": 30})
    fleet.wait_until(lambda: "hint.too_new" in worker.log)
    worker.process.terminate()
    fleet.wait_until(lambda: not worker.is_running)
    assert not fleet.client.exists(celery_list(Queue.AR))
