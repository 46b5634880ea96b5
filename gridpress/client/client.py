"""Implements the sync client. Every method is a call or a flow, which `async_client` shares."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Self, Unpack

import httpx

from gridpress.client import webhooks
from gridpress.client.access import Keys, Tenants
from gridpress.client.calls import batches, jobs, service, tenants
from gridpress.client.calls.call import Call, Result
from gridpress.client.calls.jobs import CancelFilters
from gridpress.client.connection import client_arguments, key_from, url_from
from gridpress.client.endpoints import Endpoints
from gridpress.client.files import Files
from gridpress.client.flows import Limits, cancel_all, create_batch, jobs_by_id, pictures, render, wait, wait_for_batch
from gridpress.client.following import Following
from gridpress.client.pictures import Picture
from gridpress.client.retries import Retries
from gridpress.client.sse import Event
from gridpress.client.sync_transport import Transport
from shared.intake.request import JobRequest
from shared.jobs.states import JobStatus
from shared.responses.batches import BatchResponse
from shared.responses.cancellations import CancellationResponse
from shared.responses.estimates import JobValidationResponse
from shared.responses.limits import LimitsResponse
from shared.responses.schemas import JobResponse


class Client:
    """A client of the HTTP API. Use it in a `with` block, or call `close` at the end. Threads may share it.

    `url` defaults to `GRIDPRESS_URL`, else to a service on this machine. `api_key` defaults to `GRIDPRESS_API_KEY` or
    the file `GRIDPRESS_API_KEY_FILE`. Raises `ValueError` if one of them is malformed.

    `timeout_s` limits each connection, write and read, and the time after which a failed call is not sent again.
    `transport` replaces the connections of httpx, for tests and for special networks.

    Every method raises `ClientError`: `Unreachable` without a response, and `ErrorResponse` for an error response.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        timeout_s: float = 60.0,
        retries: Retries | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url = url_from(url)
        http = httpx.Client(**client_arguments(self.url, key_from(api_key), timeout_s), transport=transport)
        self._transport = Transport(http, Limits(self.url, retries or Retries(), timeout_s))
        self.batches = Batches(self._transport)
        self.files = Files(self._transport)
        self.webhooks = Webhooks(self._transport)
        self.keys = Keys(self._transport)
        self.tenants = Tenants(self._transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes all connections."""
        self._transport.close()

    def render(
        self,
        request: JobRequest | str | None = None,
        *,
        timeout_s: float | None = None,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> list[Picture]:
        """Renders pictures and returns them in order. Takes the arguments of `submit`.

        Raises `JobNotSucceeded` if the job ends without all its pictures. Raises `StillRunning` if it has not ended
        after `timeout_s` seconds. The job then goes on: `wait` for it, or `cancel` it.
        """
        return self._transport.run(render(self._transport.limits, request, fields, timeout_s, idempotency_key))

    def submit(
        self, request: JobRequest | str | None = None, *, idempotency_key: str | None = None, **fields: Any
    ) -> JobResponse:
        """Creates a job, and returns it as soon as the service has stored it.

        `request` is the prompt, or a whole `JobRequest`. `fields` are the other fields of `JobRequest`, such as
        `size="512x512"`, `n=2`, `seed=7`. In `images`, a `Path` or bytes are uploaded as they are. Calls with the same
        `idempotency_key` create only one job. Raises `InvalidRequest` with the invalid fields.
        """
        return self._transport.send(jobs.submit(request, fields), idempotency_key)

    def validate(self, request: JobRequest | str | None = None, **fields: Any) -> JobValidationResponse:
        """Checks a request for a job without creating one. Takes the arguments of `submit`.

        Returns `is_valid`, and all `errors` at once, or the `estimate` of the job: its cost and expected times.
        """
        return self._transport.send(jobs.validate(request, fields))

    def rerender(
        self, job_id: str, index: int = 0, *, idempotency_key: str | None = None, **fields: Any
    ) -> JobResponse:
        """Creates a job that decodes the token grid of an earlier picture again, without AR work.

        `fields` change steps, guidance, quality, seed or file format. The other settings are those of the picture.
        """
        return self._transport.send(jobs.rerender(job_id, index, fields), idempotency_key)

    def job(self, job_id: str) -> JobResponse:
        """Returns a job as it is now. Raises `NotFound`."""
        return self._transport.send(jobs.job(job_id))

    def wait(self, job_id: str, *, timeout_s: float | None = None) -> JobResponse:
        """Returns a job when it has ended. Raises `StillRunning` after `timeout_s` seconds; None waits for ever."""
        return self._transport.run(wait(self._transport.limits, job_id, timeout_s))

    def stream(self, job_id: str, *, after: str | None = None) -> Iterator[Event]:
        """Yields the events of a job until it has ended, beginning with the first, or after the event id `after`.

        A broken connection is opened again, and no stored event is missed or repeated.
        """
        return self._transport.stream(f"{jobs.path(job_id)}/events", Following(self._transport.limits, after))

    def stream_all(self, *, after: str | None = None) -> Iterator[Event]:
        """Yields the events of all jobs from now on, or after the event id `after`. Their data has the `job_id`.

        The stream has no end. An event `stream.gap` means that events are missing: read the list of jobs again.
        """
        return self._transport.stream("/v1/events", Following(self._transport.limits, after, is_endless=True))

    def pictures(self, job: JobResponse | str) -> list[Picture]:
        """Returns the finished pictures of a job, in order."""
        return self._transport.run(pictures(self._transport.limits, job))

    def jobs(self, *, status: JobStatus | str | None = None, limit: int = 100, **filters: Any) -> Iterator[JobResponse]:
        """Yields all jobs, the newest first. Reads `limit` jobs at a time, at most 100.

        `filters` are `prompt`, `metadata` (a mapping), `batch`, `created_after`, `created_before` and `order` (`asc` or
        `desc`).
        """
        return self._transport.pages(jobs.jobs({"status": status, "limit": limit, **filters}))

    def jobs_by_id(self, ids: Iterable[str]) -> list[JobResponse | None]:
        """Returns the jobs with these ids, in their order. An id without a job has None. Reads 50 jobs at a time."""
        return self._transport.run(jobs_by_id(self._transport.limits, ids))

    def cancel(self, job_id: str) -> JobResponse:
        """Cancels a job, and returns it. A job that has ended stays as it is."""
        return self._transport.send(jobs.change(job_id, "cancel"))

    def cancel_all(
        self, ids: Iterable[str] | None = None, **filters: Unpack[CancelFilters]
    ) -> list[CancellationResponse]:
        """Cancels the jobs with these ids; or those that pass the `filters`; or, with both, those of the ids that pass.

        Returns what happened to each job (`id`, `outcome`, `status`). Raises `InvalidRequest` without ids and filters.
        """
        return self._transport.run(cancel_all(self._transport.limits, ids, filters))

    def retry(self, job_id: str) -> JobResponse:
        """Renders the pictures that a failed, expired or cancelled job lacks. Returns the job. Raises `Conflict`."""
        return self._transport.send(jobs.change(job_id, "retry"))

    def delete(self, job_id: str) -> None:
        """Deletes a job that has ended, with its pictures. Raises `Conflict` if it runs."""
        self._transport.send(jobs.delete(job_id))

    def limits(self) -> LimitsResponse:
        """Returns the limits of your tenant: what is allowed, what is left, and when it refills."""
        return self._transport.send(tenants.own_limits())

    def request(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> dict[str, Any]:
        """Calls any route that responds with a JSON object, such as `/v1/stats`, and returns the object."""
        return self._transport.send(service.raw(method, path, json, params, headers), idempotency_key)

    def send(self, call: Call[Result], *, idempotency_key: str | None = None) -> Result:
        """Sends a call of `gridpress.client.calls`, as all other methods do, and returns its result."""
        return self._transport.send(call, idempotency_key)


class Batches:
    """The calls of `/v1/batches`, as `Client().batches`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(
        self, requests: batches.Requests | None = None, *, idempotency_key: str | None = None, **fields: Any
    ) -> BatchResponse:
        """Creates a batch, and returns it. A worker then checks its requests.

        A request is a prompt, a `JobRequest`, or the fields of one, with a `custom_id` of your own. `input_file_id`
        names a file with lines for `/v1/jobs` that is already uploaded. Other `fields` are those of `POST /v1/batches`.
        """
        return self._transport.run(create_batch(self._transport.limits, requests, fields, idempotency_key))

    def get(self, batch_id: str) -> BatchResponse:
        """Returns a batch as it is now. Raises `NotFound`."""
        return self._transport.send(batches.batch(batch_id))

    def list(self) -> Iterator[BatchResponse]:
        """Yields all batches, the newest first."""
        return self._transport.pages(batches.batches())

    def wait(self, batch_id: str, *, timeout_s: float | None = None) -> BatchResponse:
        """Returns a batch when it has ended. Raises `StillRunning` after `timeout_s` seconds; None waits for ever."""
        return self._transport.run(wait_for_batch(self._transport.limits, batch_id, timeout_s))

    def stream(self, batch_id: str) -> Iterator[BatchResponse]:
        """Yields the batch as it is now and after each change, at most once a second, until it has ended."""
        following = Following(self._transport.limits)
        for event in self._transport.stream(f"{batches.path(batch_id)}/events", following):
            yield BatchResponse.model_validate(event.data)

    def results(self, batch_id: str) -> Iterator[dict[str, Any]]:
        """Yields the results so far in the order in which the requests ended, as the lines of the output file."""
        return self._transport.pages(batches.results(batch_id))

    def manifest(self, batch_id: str) -> Sequence[dict[str, Any]]:
        """Returns a description of each picture so far: `file` is its name in the archive, `sha256` its checksum."""
        return self._transport.send(batches.manifest(batch_id))

    def archive(self, batch_id: str, kind: str = "zip") -> bytes:
        """Returns an archive of the pictures so far. `kind` is `zip` or `tar`."""
        return self._transport.send(batches.archive(batch_id, kind))

    def picture(self, batch_id: str, name: str) -> bytes:
        """Returns a picture of a batch with an `output_prefix`. `name` is `file` in the manifest, as `mug-17.png`."""
        return self._transport.send(batches.picture(batch_id, name))

    def pause(self, batch_id: str) -> BatchResponse:
        """Pauses a batch. Requests that have started go on. Raises `Conflict` if the batch has ended."""
        return self._transport.send(batches.change(batch_id, "pause"))

    def resume(self, batch_id: str) -> BatchResponse:
        """Lets a paused batch go on. Raises `Conflict` if it has ended."""
        return self._transport.send(batches.change(batch_id, "resume"))

    def cancel(self, batch_id: str) -> BatchResponse:
        """Cancels a batch. Existing results stay."""
        return self._transport.send(batches.change(batch_id, "cancel"))

    def retry(self, batch_id: str) -> BatchResponse:
        """Renders the failed, expired and cancelled requests of an ended batch again. Raises `Conflict`."""
        return self._transport.send(batches.change(batch_id, "retry"))

    def delete(self, batch_id: str) -> None:
        """Deletes a batch that has ended, with its results, jobs and pictures. Raises `Conflict` if it runs."""
        self._transport.send(batches.delete(batch_id))


class Webhooks:
    """The calls that concern webhooks and, in `endpoints`, webhook endpoints, as `Client().webhooks`."""

    verify = staticmethod(webhooks.verify)

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.endpoints = Endpoints(transport)

    def secret(self) -> str:
        """Returns the secret that signs the webhooks of jobs with a `webhook_url`. Needs the scope `admin`."""
        return self._transport.send(service.webhook_secret())
