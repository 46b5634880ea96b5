"""Carries out calls with retries and waits, without I/O of its own.

A flow is a generator. It yields a call that must be sent, and gets the response or an error of httpx. Or it yields a
`Pause`. It returns the result. The sync and the async client both run the same flows.
"""

import math
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeVar

import httpx

from gridpress.client.calls import batches, files, jobs
from gridpress.client.calls.call import Call
from gridpress.client.errors import ClientError, JobNotSucceeded, StillRunning, error_of, unreachable
from gridpress.client.pictures import Picture, finished
from gridpress.client.retries import Retries
from shared.intake.request import JobRequest
from shared.jobs.states import JobStatus
from shared.responses.batches import BatchResponse
from shared.responses.cancellations import CancellationResponse
from shared.responses.schemas import JobResponse

Result = TypeVar("Result")

_LONGEST_HOLD_S = 30  # proxies cut a connection that is idle for a minute
_SHORTEST_HOLD_S = 1.0  # a server that stops responds at once
_BATCH_POLL_S = 1.0
_CANCELLED_AT_ONCE = 500  # the most that the service cancels with one request
_IDS_AT_ONCE, _LONGEST_ID = 50, 128  # so that the longest ids fit into the first line of a request
_LONGEST_OUTAGE_S = 60.0  # a supervised API restarts within half a minute


@dataclass(frozen=True, slots=True)
class Pause:
    """A wait of some seconds before the flow goes on."""

    seconds: float


Flow = Generator[Call[Any] | Pause, httpx.Response | None, Result]


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how often a call is tried. No retry starts later than `timeout_s` after the first attempt."""

    url: str
    retries: Retries
    timeout_s: float


def send(limits: Limits, call: Call[Result], key: str | None = None) -> Flow[Result]:
    """Sends a call, and again after temporary errors. All attempts of a POST have the same idempotency key.

    Raises `ClientError`.
    """
    call, ends_at = call.once(key), time.monotonic() + limits.timeout_s
    for num_retries in count():
        try:
            response = yield call
        except (httpx.RequestError, httpx.InvalidURL) as cause:
            error: ClientError = unreachable(limits.url, cause)
            error.__cause__ = cause
        else:
            assert response is not None
            is_gone = response.status_code == httpx.codes.NOT_FOUND and call.method == "DELETE" and num_retries > 0
            if not response.is_error or is_gone:  # an attempt whose response was lost has deleted it
                return call.read(response)
            error = error_of(response)
        wait_s = limits.retries.wait_s(num_retries, error)
        if wait_s is None or time.monotonic() + wait_s > ends_at:
            raise error
        yield Pause(wait_s)
    raise AssertionError("unreachable")


def wait(limits: Limits, job_id: str, timeout_s: float | None) -> Flow[JobResponse]:
    """Waits for the end of a job. The service holds each response until the job has ended, for at most 30 s.

    Continues while the service restarts. Raises `StillRunning` after `timeout_s`.
    """
    ends_at = time.monotonic() + (math.inf if timeout_s is None else timeout_s)
    while True:
        began_at = time.monotonic()
        hold_s = min(_LONGEST_HOLD_S, max(0.0, ends_at - began_at))
        job = yield from _patiently(limits, jobs.job(job_id, math.ceil(hold_s)))
        if job.status.is_final:
            return job
        if time.monotonic() >= ends_at:
            raise StillRunning(job)
        if time.monotonic() - began_at < _SHORTEST_HOLD_S:
            yield Pause(min(_SHORTEST_HOLD_S, max(0.0, ends_at - time.monotonic())))


def wait_for_batch(limits: Limits, batch_id: str, timeout_s: float | None) -> Flow[BatchResponse]:
    """Waits for the end of a batch, and reads it once a second. Raises `StillRunning` after `timeout_s`."""
    ends_at = time.monotonic() + (math.inf if timeout_s is None else timeout_s)
    while True:
        batch = yield from _patiently(limits, batches.batch(batch_id))
        if batch.status.is_final:
            return batch
        if time.monotonic() >= ends_at:
            raise StillRunning(batch)
        yield Pause(min(_BATCH_POLL_S, max(0.0, ends_at - time.monotonic())))


def render(
    limits: Limits,
    request: JobRequest | str | None,
    fields: Mapping[str, object],
    timeout_s: float | None,
    key: str | None,
) -> Flow[list[Picture]]:
    """Creates a job, waits for its end, and reads its pictures. Raises `StillRunning` and `JobNotSucceeded`."""
    job = yield from send(limits, jobs.submit(request, fields), key)
    job = yield from wait(limits, job.id, timeout_s)
    if job.status is not JobStatus.SUCCEEDED:
        raise JobNotSucceeded(job)
    return (yield from pictures(limits, job))


def pictures(limits: Limits, job: JobResponse | str) -> Flow[list[Picture]]:
    """Reads the finished pictures of a job, given as a whole or by its id."""
    whole = (yield from send(limits, jobs.job(job))) if isinstance(job, str) else job
    found = []
    for image in finished(whole):
        data = yield from send(limits, jobs.picture(whole.id, image.index))
        found.append(Picture.of(whole, image, data))
    return found


def jobs_by_id(limits: Limits, ids: Iterable[str]) -> Flow[list[JobResponse | None]]:
    """Reads the jobs with these ids, some at a time. Returns them in the order of the ids, and None for those without.

    An id with a comma or of an impossible length has no job, and the service would refuse it.
    """
    asked, found = list(ids), dict[str, JobResponse | None]()
    possible = [each for each in dict.fromkeys(asked) if 0 < len(each) <= _LONGEST_ID and "," not in each]
    for some in _parts(possible, _IDS_AT_ONCE):
        page = yield from send(limits, jobs.by_ids(some))
        there = [each for each in some if each not in (page.missing or ())]
        found |= zip(there, page.data, strict=True)
    return [found.get(each) for each in asked]


def cancel_all(
    limits: Limits, ids: Iterable[str] | None, filters: Mapping[str, object]
) -> Flow[list[CancellationResponse]]:
    """Cancels the jobs with these ids that pass `filters`; without `ids`, all jobs that pass. Returns what happened."""
    found: list[CancellationResponse] = []
    if ids is not None:
        for some in _parts(list(dict.fromkeys(ids)), _CANCELLED_AT_ONCE):
            found += (yield from send(limits, jobs.cancel_all({**filters, "ids": some}))).data
        return found
    after: str | None = None
    while True:
        page = yield from send(limits, jobs.cancel_all({**filters, "limit": _CANCELLED_AT_ONCE, "after": after}))
        found += page.data
        after = page.next
        if not page.has_more:
            return found


def create_batch(
    limits: Limits, requests: batches.Requests | None, fields: Mapping[str, object], key: str | None
) -> Flow[BatchResponse]:
    """Uploads a file with the requests and creates a batch of it. With `input_file_id` in `fields`, uploads nothing."""
    rest = dict(fields)
    file_id = rest.pop("input_file_id", None)
    if file_id is None:
        content = batches.lines(requests or ())
        file = yield from send(limits, files.upload(content, "requests.jsonl", "batch"), key and f"{key} file")
        file_id = file.id
    return (yield from send(limits, batches.create(str(file_id), rest), key))


def _patiently(limits: Limits, call: Call[Result]) -> Flow[Result]:
    """Sends a call until it succeeds, also after more retries than `limits` allow, for at most a minute."""
    ends_at = time.monotonic() + _LONGEST_OUTAGE_S
    while True:
        try:
            return (yield from send(limits, call))
        except ClientError as error:
            if not error.is_temporary or limits.retries.most == 0 or time.monotonic() > ends_at:
                raise
        yield Pause(limits.retries.first_wait_s)


def _parts(ids: Sequence[str], most: int) -> Iterator[Sequence[str]]:
    return (ids[begin : begin + most] for begin in range(0, len(ids), most))
