import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count, islice
from math import inf
from types import SimpleNamespace
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.jobs import events
from api.responses import waiting
from api.services import Services
from shared.errors import ObjectStoreUnavailable, StoreUnavailable
from shared.ids import DEFAULT_TENANT, JobId
from shared.jobs.job import Job
from shared.jobs.states import JobStatus, Stage
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobEvent, JobStore
from shared.store.renders.leases import LeaseStore
from tests.api.conftest import with_settings
from tests.shared.store.builders import REVISION, RULES, WORKER_ID, a_prior, submitted

Event = Mapping[str, Any]


def read(text: str) -> list[Event]:
    """The events of a stream as an EventSource sees them: comments are skipped, `data` is JSON."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            found.append({**fields, "data": json.loads(fields["data"])})
    return found


def types(found: list[Event]) -> list[str]:
    return [event["event"] for event in found]


def test_a_finished_jobs_stream_tells_its_whole_story_and_ends(
    http: FlaskClient, store: JobStore, client: Client
) -> None:
    job = submitted(store, n=2)
    leases = LeaseStore(client, RULES)
    claim = leases.claim(Stage.AR, REVISION, WORKER_ID)
    assert claim
    leases.finish_prior(claim.lease, a_prior())
    store.cancel(job.job_id, DEFAULT_TENANT)

    answer = http.get(f"/v1/jobs/{job.job_id}/events")
    found = read(answer.text)
    assert (answer.status_code, answer.mimetype) == (200, "text/event-stream")
    assert (types(found)[0], types(found)[-1]) == ("job.queued", "job.cancelled")
    stages = [event["data"] for event in found if event["event"] == "render.stage"]
    assert {"index": 0, "state": "prior_running"} in stages
    assert {"index": 0, "state": "prior_ready"} in stages
    assert sum(stage["state"] == "cancelled" for stage in stages) == 2


def test_a_stream_resumes_after_the_last_event_seen(http: FlaskClient, store: JobStore) -> None:
    job = submitted(store)
    store.cancel(job.job_id, DEFAULT_TENANT)
    path = f"/v1/jobs/{job.job_id}/events"
    whole = read(http.get(path).text)
    for seen in range(len(whole) - 1):
        resumed = http.get(path, headers={"Last-Event-ID": whole[seen]["id"]})
        assert read(resumed.text) == whole[seen + 1 :]
    assert http.get(path, headers={"Last-Event-ID": whole[-1]["id"]}).status_code == 204


@pytest.mark.parametrize("resume", ["x", "1", "1-1-1", "$", "9" * 20 + "-0", "-1-0", "1-\u0661"])
def test_a_resume_point_that_no_event_has_is_refused(http: FlaskClient, store: JobStore, resume: str) -> None:
    job = submitted(store)
    answer = http.get(f"/v1/jobs/{job.job_id}/events", headers={"Last-Event-ID": resume.encode().decode("latin-1")})
    assert (answer.status_code, answer.get_json()["field"]) == (400, "Last-Event-ID")


class TellingHub:
    """Stands in for `EventHub`: `told` says whether there was a hint, call by call; then True."""

    def __init__(self, *told: bool) -> None:
        self.told = list(told)

    @contextmanager
    def watch(self, _: JobId) -> Iterator["TellingHub"]:
        yield self

    def wait(self, timeout_s: float) -> bool:
        return self.told.pop(0) if self.told else True

    def wake_all(self) -> None:
        pass


@dataclass
class ScriptedStore:
    """Plays `events` back, one list per call, then stays quiet; a job's status is the real store's."""

    real: JobStore
    script: list[list[JobEvent] | Exception] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    steps: list[list[JobEvent]] = field(default_factory=list)

    def events(self, job_id: JobId, *, after: str) -> list[JobEvent]:
        self.asked.append(after)
        played = self.script.pop(0) if self.script else []
        if isinstance(played, Exception):
            raise played
        return played

    def progress(self, job: Job) -> list[JobEvent]:
        return self.steps.pop(0) if self.steps else []

    def status(self, job_id: JobId) -> JobStatus:
        return self.real.status(job_id)


@pytest.fixture
def scripted(store: JobStore) -> ScriptedStore:
    return ScriptedStore(store)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Heartbeats as fast as they can be asked for."""
    monkeypatch.setattr(waiting, "_HEARTBEAT_S", 0)


def blocks(house: Services, scripted: ScriptedStore, job: Job, hub: Any = None, has_left: Any = bool) -> Iterator[str]:
    services = replace(house, store=scripted, hub=hub or TellingHub())
    followed = waiting._follow(services, job, "0", has_left, inf)
    return events._blocks(services, job, services.settings.public_url, followed, inf)


def progress(number: int) -> JobEvent:
    return JobEvent(f"{number}-0", "render.progress", {"index": 0, "done": number})


def test_every_event_moves_the_cursor_and_the_last_one_ends_the_stream(
    house: Services, scripted: ScriptedStore
) -> None:
    scripted.script = [[progress(1), progress(2)], [], [progress(3)], [JobEvent("4-0", "job.failed", {}), progress(5)]]
    found = read("".join(blocks(house, scripted, submitted(house.store))))
    assert [event["id"] for event in found] == ["1-0", "2-0", "3-0", "4-0"]
    assert scripted.asked == ["0", "2-0", "2-0", "3-0"]


def test_the_newest_progress_is_sent_once_and_is_no_point_to_resume_from(
    house: Services, scripted: ScriptedStore
) -> None:
    first, second = (JobEvent("", "render.progress", {"index": 0, "done": done}) for done in (1, 2))
    scripted.script = [[JobEvent("1-0", "job.queued", {})], [], [], [JobEvent("2-0", "job.failed", {})]]
    scripted.steps = [[first], [first], [second]]
    found = read("".join(blocks(house, scripted, submitted(house.store))))
    told = [(event.get("id"), event["event"], event["data"].get("done")) for event in found]
    assert told == [
        ("1-0", "job.queued", None),
        (None, "render.progress", 1),
        (None, "render.progress", 2),
        ("2-0", "job.failed", None),
    ]
    assert scripted.asked == ["0", "1-0", "1-0", "1-0"]


def test_the_end_of_an_earlier_life_does_not_end_the_stream(house: Services, scripted: ScriptedStore) -> None:
    failed, retried = JobEvent("1-0", "job.failed", {}), JobEvent("2-0", "job.retried", {})
    scripted.script = [[failed, retried], [JobEvent("3-0", "job.succeeded", {})]]
    found = read("".join(blocks(house, scripted, submitted(house.store))))
    assert [event["id"] for event in found] == ["1-0", "2-0", "3-0"]


@pytest.mark.usefixtures("quick")
def test_a_quiet_stream_shows_that_it_lives(house: Services, scripted: ScriptedStore) -> None:
    stream = blocks(house, scripted, submitted(house.store))
    opening, *heartbeats = [next(stream) for _ in range(4)]
    assert opening.startswith(":")  # at once, so that a client knows it is connected
    assert heartbeats == [":\n\n"] * 3


def test_a_stream_shows_that_it_lives_though_it_is_told_to_look_all_the_time(
    house: Services, scripted: ScriptedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = count()
    monkeypatch.setattr(waiting, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    stream = blocks(house, scripted, submitted(house.store), has_left=lambda: len(scripted.asked) > 100)
    assert list(islice(stream, 1, 3)) == [":\n\n"] * 2


@pytest.mark.usefixtures("quick")
def test_a_stream_that_waits_beyond_the_end_ends_with_a_heartbeat(house: Services, scripted: ScriptedStore) -> None:
    job = submitted(house.store)
    stream = blocks(house, scripted, job)
    next(stream)
    house.store.cancel(job.job_id, DEFAULT_TENANT)
    assert list(stream) == [":\n\n"]


@pytest.mark.usefixtures("quick")
def test_a_stream_of_a_job_that_was_forgotten_ends(house: Services, scripted: ScriptedStore, client: Client) -> None:
    stream = blocks(house, scripted, submitted(house.store))
    next(stream)
    client.flushdb()
    assert list(stream) == [":\n\n"]


def test_an_outage_is_sat_out(house: Services, scripted: ScriptedStore) -> None:
    scripted.script = [
        [progress(1)],
        StoreUnavailable("gone"),
        StoreUnavailable("gone"),
        [JobEvent("2-0", "job.failed", {})],
    ]
    found = read("".join(blocks(house, scripted, submitted(house.store))))
    assert [event["id"] for event in found] == ["1-0", "2-0"]
    assert scripted.asked == ["0", "1-0", "1-0", "1-0"]


def test_an_event_that_cannot_be_shown_ends_the_stream_like_a_lost_connection(house: Services) -> None:
    def broken() -> Iterator[JobEvent]:
        yield progress(1)
        raise ObjectStoreUnavailable("gone")

    assert len(read("".join(events._blocks(house, submitted(house.store), "http://127.0.0.1", broken(), inf)))) == 1


def test_a_stopping_server_ends_its_streams_with_an_event_that_keeps_the_resume_point(
    house: Services, scripted: ScriptedStore
) -> None:
    scripted.script = [[progress(1)]]
    stream = blocks(house, scripted, submitted(house.store))
    assert [next(stream) for _ in range(2)][1].startswith("id: 1-0\n")
    house.stopping.set()
    assert list(stream) == ["event: server.stopping\ndata: {}\n\n"]


def test_a_client_that_left_ends_its_stream(house: Services, scripted: ScriptedStore) -> None:
    stream = blocks(house, scripted, submitted(house.store), has_left=lambda: len(scripted.asked) == 2)
    assert list(stream)[1:] == []
    assert len(scripted.asked) == 2


def test_a_client_that_leaves_without_a_hint_is_noticed_all_the_same(house: Services, scripted: ScriptedStore) -> None:
    looks = iter([False, False, True, True])
    hub = TellingHub(False, False)
    stream = blocks(house, scripted, submitted(house.store), hub, has_left=lambda: next(looks))
    assert list(stream)[1:] == []
    assert scripted.asked == ["0"]


def test_asking_for_the_head_of_a_stream_holds_nothing(http: FlaskClient, house: Services, client: Client) -> None:
    path = f"/v1/jobs/{submitted(house.store).job_id}/events"
    assert http.head(path, buffered=True).status_code == 200
    assert client.pubsub_channels("gridpress:events:*") == []


def test_a_stream_ends_after_its_limit_and_goes_on_where_it_was(house: Services) -> None:
    http, job = with_settings(house, stream_limit_s=1e-6), submitted(house.store)
    answer = http.get(f"/v1/jobs/{job.job_id}/events")
    assert answer.text.endswith("event: stream.limit\ndata: {}\n\n")
    [queued] = re.findall(r"^id: (.*)$", answer.text, re.MULTILINE)
    again = http.get(f"/v1/jobs/{job.job_id}/events", headers={"Last-Event-ID": queued})
    assert "job.queued" not in again.text
