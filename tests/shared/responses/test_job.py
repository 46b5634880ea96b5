import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.ids import JobId, ObjectKey, Revision, render_id
from shared.jobs.job import Job, Picture, Render
from shared.jobs.leases import Progress
from shared.jobs.spec import JobSpec, RenderSettings
from shared.jobs.states import JobStatus, RenderState, final_status
from shared.responses.job import job_response
from shared.responses.schemas import rfc3339

BASE = "https://pictures.example.com/"
JOB = JobId("job_01ke6q8v3c9t0n5w7x2z4b6d8f")
START = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
SETTINGS = RenderSettings(
    prompt="雪山 and “a red kite”", width_px=512, height_px=768, images=(ObjectKey("inputs/a.png"),)
)
ERROR = {"code": "collapsed_grid", "message": "few codes", "stage": "ar", "retryable": False, "policy": None}

S = RenderState
HAS_PRIOR = {S.PRIOR_READY, S.DECODE_RUNNING, S.SUCCEEDED}


def a_render(index: int, state: RenderState, progress: Progress | None = None, **changes: Any) -> Render:
    fields: dict[str, Any] = {
        "render_id": render_id(JOB, index),
        "index": index,
        "state": state,
        "seed": 7 + index,
        "progress": progress,
        "picture": Picture(ObjectKey("jobs/k.png"), ObjectKey("jobs/k.json"), "ab" * 32, 12, "image/png")
        if state is S.SUCCEEDED
        else None,
        "error": ERROR if state is S.FAILED else None,
        "ended_in": None,
        "attempts": 1,
        "prior_started_at": START,
        "prior_ready_at": START + timedelta(seconds=2.5) if state in HAS_PRIOR else None,
        "decode_started_at": START + timedelta(seconds=4) if state in HAS_PRIOR - {S.PRIOR_READY} else None,
        "finished_at": START + timedelta(seconds=5.25) if state.is_final else None,
    }
    return Render(**fields | changes)


def a_job(*renders: Render, status: JobStatus | None = None, **spec: Any) -> Job:
    states = [render.state for render in renders]
    running = JobStatus.QUEUED if set(states) == {S.QUEUED} else JobStatus.RUNNING
    ended = all(state.is_final for state in states)
    return Job(
        job_id=JOB,
        spec=JobSpec(settings=SETTINGS, n=len(renders), seed=7, **spec),
        status=status or (final_status(states) if ended else running),
        revision=Revision("r1"),
        renders=renders,
        created_at=START,
        started_at=None,
        finished_at=None,
    )


def answer(*states: RenderState, **spec: Any) -> dict[str, Any]:
    renders = [a_render(index, state) for index, state in enumerate(states)]
    return job_response(a_job(*renders, **spec), BASE, "some/model")


states = st.lists(st.sampled_from(RenderState), min_size=1, max_size=6)


@given(states)
def test_an_answer_is_plain_json(states: list[RenderState]) -> None:
    body = answer(*states)
    assert json.loads(json.dumps(body)) == body


@given(states)
def test_stage_is_null_exactly_while_nothing_runs(states: list[RenderState]) -> None:
    body = answer(*states)
    assert (body["stage"] is None) == (body["status"] != "running")


@given(states)
def test_progress_is_one_exactly_when_every_picture_is_there(states: list[RenderState]) -> None:
    body = answer(*states)
    assert 0 <= body["progress"] <= 1
    assert (body["progress"] == 1) == (body["status"] == "succeeded")


@pytest.mark.parametrize(
    ("states", "stage"),
    [
        ([S.PRIOR_RUNNING], "ar"),
        ([S.PRIOR_RUNNING, S.QUEUED], "ar"),
        ([S.PRIOR_READY, S.PRIOR_RUNNING], "dit"),
        ([S.QUEUED, S.DECODE_RUNNING], "dit"),
        ([S.SUCCEEDED, S.QUEUED], "ar"),
        ([S.CHECKING, S.QUEUED], "dit"),
        ([S.SUCCEEDED, S.DECODE_RUNNING], "dit"),
    ],
)
def test_stage_is_the_furthest_of_what_is_not_final(states: list[RenderState], stage: str) -> None:
    assert answer(*states)["stage"] == stage


def test_a_render_that_was_sent_back_leaves_its_job_in_the_ar_stage() -> None:
    job = a_job(a_render(0, S.QUEUED), status=JobStatus.RUNNING)
    assert job_response(job, BASE, "m")["stage"] == "ar"


@pytest.mark.parametrize(
    ("render", "expected"),
    [
        (a_render(0, S.QUEUED), 0),
        (a_render(0, S.PRIOR_RUNNING, Progress(5, 20)), 0.125),
        (a_render(0, S.PRIOR_RUNNING, Progress(0, 0)), 0),
        (a_render(0, S.PRIOR_READY), 0.5),
        (a_render(0, S.DECODE_RUNNING, Progress(5, 10)), 0.75),
        (a_render(0, S.FAILED), 0),
        (a_render(0, S.CANCELLED, prior_ready_at=START), 0.5),
    ],
)
def test_each_stage_is_half_of_a_render(render: Render, expected: float) -> None:
    assert job_response(a_job(render), BASE, "m")["progress"] == expected


def test_a_running_picture_tells_its_steps() -> None:
    job = a_job(a_render(0, S.PRIOR_RUNNING, Progress(5, 20)), a_render(1, S.QUEUED))
    images = job_response(job, BASE, "m")["images"]
    assert [image["progress"] for image in images] == [{"done": 5, "total": 20}, None]


def test_every_render_weighs_the_same() -> None:
    assert answer(S.SUCCEEDED, S.PRIOR_READY, S.QUEUED)["progress"] == 0.5


def test_links_are_the_apis_own_and_only_for_what_is_there() -> None:
    body = answer(S.SUCCEEDED, S.FAILED)
    job = f"https://pictures.example.com/v1/jobs/{JOB}"
    assert body["links"] == {"self": job, "cancel": f"{job}/cancel", "retry": f"{job}/retry", "events": f"{job}/events"}
    assert [image["url"] for image in body["images"]] == [f"{job}/images/0", None]


def test_a_finished_picture_is_described_and_timed() -> None:
    image = answer(S.QUEUED, S.SUCCEEDED)["images"][1]
    assert image | {"url": None} == {
        "index": 1,
        "status": "succeeded",
        "progress": None,
        "seed": 8,
        "width": 512,
        "height": 768,
        "url": None,
        "grid_url": image["url"] + "/grid",
        "sha256": "ab" * 32,
        "bytes": 12,
        "content_type": "image/png",
        "ended_in": None,
        "error": None,
        "attempts": 1,
        "timings": {"ar_s": 2.5, "dit_s": 1.25},
        "reused_from": None,
        "text_check": None,
    }


def test_the_jobs_error_is_its_first_failed_renders() -> None:
    second = ERROR | {"code": "worker_lost", "stage": None}
    job = a_job(a_render(0, S.SUCCEEDED), a_render(1, S.FAILED), a_render(2, S.FAILED, error=second))
    body = job_response(job, BASE, "m")
    assert body["error"] == ERROR
    assert [image["error"] for image in body["images"]] == [None, ERROR, second]


def test_the_request_is_echoed_and_its_secret_is_not() -> None:
    secret = "whsec_" + "c2VjcmV0" * 5
    body = answer(
        S.QUEUED,
        webhook_secret=secret,
        webhook_url="https://hooks.example.com/",
        webhook_events=("job.failed",),
        metadata={"order": "7"},
    )
    assert secret not in json.dumps(body)
    assert "inputs/a.png" not in json.dumps(body)
    assert body["num_condition_images"] == 1
    assert (body["prompt"], body["width"], body["height"], body["seed"]) == (SETTINGS.prompt, 512, 768, 7)
    assert (body["webhook_url"], body["webhook_events"]) == ("https://hooks.example.com/", ["job.failed"])
    assert (body["metadata"], body["model"], body["revision"]) == ({"order": "7"}, "some/model", "r1")


@given(st.datetimes(timezones=st.just(timezone(timedelta(hours=5, minutes=45))), min_value=datetime(1971, 1, 1)))
def test_times_are_utc_with_milliseconds(moment: datetime) -> None:
    text = rfc3339(moment)
    assert text.endswith("Z")
    assert abs(datetime.fromisoformat(text) - moment) < timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("state", "claims", "told"),
    [
        (S.QUEUED, 0, 0),
        (S.PRIOR_RUNNING, 1, 1),
        (S.PRIOR_RUNNING, 2, 2),  # a worker died
        (S.PRIOR_READY, 1, 1),
        (S.DECODE_RUNNING, 2, 1),
        (S.SUCCEEDED, 2, 1),
        (S.SUCCEEDED, 4, 3),
    ],
)
def test_an_undisturbed_picture_has_one_attempt_whatever_its_stage(state: RenderState, claims: int, told: int) -> None:
    answer = job_response(a_job(a_render(0, state, attempts=claims)), "http://a", "m")
    assert answer["images"][0]["attempts"] == told


def test_a_picture_that_is_decoded_again_has_no_ar_stage() -> None:
    render = a_render(0, S.SUCCEEDED, attempts=1, prior_started_at=None)
    assert job_response(a_job(render), "http://a", "m")["images"][0]["attempts"] == 1
