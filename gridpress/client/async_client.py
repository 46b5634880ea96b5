"""Implements the async client. Its methods are those of `client`, and each one sends the same call or flow."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Self, Unpack

import httpx

from gridpress.client import webhooks
from gridpress.client.async_access import AsyncKeys, AsyncTenants
from gridpress.client.async_endpoints import AsyncEndpoints
from gridpress.client.async_files import AsyncFiles
from gridpress.client.async_transport import AsyncTransport
from gridpress.client.calls import batches, jobs, service, tenants
from gridpress.client.calls.call import Call, Result
from gridpress.client.calls.jobs import CancelFilters
from gridpress.client.connection import client_arguments, key_from, url_from
from gridpress.client.flows import Limits, cancel_all, create_batch, jobs_by_id, pictures, render, wait, wait_for_batch
from gridpress.client.following import Following
from gridpress.client.pictures import Picture
from gridpress.client.retries import Retries
from gridpress.client.sse import Event
from shared.intake.request import JobRequest
from shared.jobs.states import JobStatus
from shared.responses.batches import BatchResponse
from shared.responses.cancellations import CancellationResponse
from shared.responses.estimates import JobValidationResponse
from shared.responses.limits import LimitsResponse
from shared.responses.schemas import JobResponse


class AsyncClient:
    """A client of the HTTP API. Use it in an `async with` block, or await `close` at the end.

    All methods except those that return an iterator are coroutines.

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
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.url = url_from(url)
        http = httpx.AsyncClient(**client_arguments(self.url, key_from(api_key), timeout_s), transport=transport)
        self._transport = AsyncTransport(http, Limits(self.url, retries or Retries(), timeout_s))
        self.batches = AsyncBatches(self._transport)
        self.files = AsyncFiles(self._transport)
        self.webhooks = AsyncWebhooks(self._transport)
        self.keys = AsyncKeys(self._transport)
        self.tenants = AsyncTenants(self._transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes all connections."""
        await self._transport.close()

    async def render(
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
        return await self._transport.run(render(self._transport.limits, request, fields, timeout_s, idempotency_key))

    async def submit(
        self, request: JobRequest | str | None = None, *, idempotency_key: str | None = None, **fields: Any
    ) -> JobResponse:
        """Creates a job, and returns it as soon as the service has stored it.

        `request` is the prompt, or a whole `JobRequest`. `fields` are the other fields of `JobRequest`, such as
        `size="512x512"`, `n=2`, `seed=7`. In `images`, a `Path` or bytes are uploaded as they are. Calls with the same
        `idempotency_key` create only one job. Raises `InvalidRequest` with the invalid fields.
        """
        return await self._transport.send(jobs.submit(request, fields), idempotency_key)

    async def validate(self, request: JobRequest | str | None = None, **fields: Any) -> JobValidationResponse:
        """Checks a request for a job without creating one. Takes the arguments of `submit`.

        Returns `is_valid`, and all `errors` at once, or the `estimate` of the job: its cost and expected times.
        """
        return await self._transport.send(jobs.validate(request, fields))

    async def rerender(
        self, job_id: str, index: int = 0, *, idempotency_key: str | None = None, **fields: Any
    ) -> JobResponse:
        """Creates a job that decodes the token grid of an earlier picture again, without AR work.

        `fields` change steps, guidance, quality, seed or file format. The other settings are those of the picture.
        """
        return await self._transport.send(jobs.rerender(job_id, index, fields), idempotency_key)

    async def job(self, job_id: str) -> JobResponse:
        """Returns a job as it is now. Raises `NotFound`."""
        return await self._transport.send(jobs.job(job_id))

    async def wait(self, job_id: str, *, timeout_s: float | None = None) -> JobResponse:
        """Returns a job when it has ended. Raises `StillRunning` after `timeout_s` seconds; None waits for ever."""
        return await self._transport.run(wait(self._transport.limits, job_id, timeout_s))

    def stream(self, job_id: str, *, after: str | None = None) -> AsyncIterator[Event]:
        """Yields the events of a job until it has ended, beginning with the first, or after the event id `after`.

        A broken connection is opened again, and no stored event is missed or repeated.
        """
        return self._transport.stream(f"{jobs.path(job_id)}/events", Following(self._transport.limits, after))

    def stream_all(self, *, after: str | None = None) -> AsyncIterator[Event]:
        """Yields the events of all jobs from now on, or after the event id `after`. Their data has the `job_id`.

        The stream has no end. An event `stream.gap` means that events are missing: read the list of jobs again.
        """
        return self._transport.stream("/v1/events", Following(self._transport.limits, after, is_endless=True))

    async def pictures(self, job: JobResponse | str) -> list[Picture]:
        """Returns the finished pictures of a job, in order."""
        return await self._transport.run(pictures(self._transport.limits, job))

    def jobs(
        self, *, status: JobStatus | str | None = None, limit: int = 100, **filters: Any
    ) -> AsyncIterator[JobResponse]:
        """Yields all jobs, the newest first. Reads `limit` jobs at a time, at most 100.

        `filters` are `prompt`, `metadata` (a mapping), `batch`, `created_after`, `created_before` and `order` (`asc` or
        `desc`).
        """
        return self._transport.pages(jobs.jobs({"status": status, "limit": limit, **filters}))

    async def jobs_by_id(self, ids: Iterable[str]) -> list[JobResponse | None]:
        """Returns the jobs with these ids, in their order. An id without a job has None. Reads 50 jobs at a time."""
        return await self._transport.run(jobs_by_id(self._transport.limits, ids))

    async def cancel(self, job_id: str) -> JobResponse:
        """Cancels a job, and returns it. A job that has ended stays as it is."""
        return await self._transport.send(jobs.change(job_id, "cancel"))

    async def cancel_all(
        self, ids: Iterable[str] | None = None, **filters: Unpack[CancelFilters]
    ) -> list[CancellationResponse]:
        """Cancels the jobs with these ids; or those that pass the `filters`; or, with both, those of the ids that pass.

        Returns what happened to each job (`id`, `outcome`, `status`). Raises `InvalidRequest` without ids and filters.
        """
        return await self._transport.run(cancel_all(self._transport.limits, ids, filters))

    async def retry(self, job_id: str) -> JobResponse:
        """Renders the pictures that a failed, expired or cancelled job lacks. Returns the job. Raises `Conflict`."""
        return await self._transport.send(jobs.change(job_id, "retry"))

    async def delete(self, job_id: str) -> None:
        """Deletes a job that has ended, with its pictures. Raises `Conflict` if it runs."""
        await self._transport.send(jobs.delete(job_id))

    async def limits(self) -> LimitsResponse:
        """Returns the limits of your tenant: what is allowed, what is left, and when it refills."""
        return await self._transport.send(tenants.own_limits())

    async def request(
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
        return await self._transport.send(service.raw(method, path, json, params, headers), idempotency_key)

    async def send(self, call: Call[Result], *, idempotency_key: str | None = None) -> Result:
        """Sends a call of `gridpress.client.calls`, as all other methods do, and returns its result."""
        return await self._transport.send(call, idempotency_key)


class AsyncBatches:
    """The calls of `/v1/batches`, as `AsyncClient().batches`."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def create(
        self, requests: batches.Requests | None = None, *, idempotency_key: str | None = None, **fields: Any
    ) -> BatchResponse:
        """Creates a batch, and returns it. A worker then checks its requests.

        A request is a prompt, a `JobRequest`, or the fields of one, with a `custom_id` of your own. `input_file_id`
        names a file with lines for `/v1/jobs` that is already uploaded. Other `fields` are those of `POST /v1/batches`.
        """
        return await self._transport.run(create_batch(self._transport.limits, requests, fields, idempotency_key))

    async def get(self, batch_id: str) -> BatchResponse:
        """Returns a batch as it is now. Raises `NotFound`."""
        return await self._transport.send(batches.batch(batch_id))

    def list(self) -> AsyncIterator[BatchResponse]:
        """Yields all batches, the newest first."""
        return self._transport.pages(batches.batches())

    async def wait(self, batch_id: str, *, timeout_s: float | None = None) -> BatchResponse:
        """Returns a batch when it has ended. Raises `StillRunning` after `timeout_s` seconds; None waits for ever."""
        return await self._transport.run(wait_for_batch(self._transport.limits, batch_id, timeout_s))

    async def stream(self, batch_id: str) -> AsyncIterator[BatchResponse]:
        """Yields the batch as it is now and after each change, at most once a second, until it has ended."""
        following = Following(self._transport.limits)
        async for event in self._transport.stream(f"{batches.path(batch_id)}/events", following):
            yield BatchResponse.model_validate(event.data)

    def results(self, batch_id: str) -> AsyncIterator[dict[str, Any]]:
        """Yields the results so far in the order in which the requests ended, as the lines of the output file."""
        return self._transport.pages(batches.results(batch_id))

    async def manifest(self, batch_id: str) -> Sequence[dict[str, Any]]:
        """Returns a description of each picture so far: `file` is its name in the archive, `sha256` its checksum."""
        return await self._transport.send(batches.manifest(batch_id))

    async def archive(self, batch_id: str, kind: str = "zip") -> bytes:
        """Returns an archive of the pictures so far. `kind` is `zip` or `tar`."""
        return await self._transport.send(batches.archive(batch_id, kind))

    async def picture(self, batch_id: str, name: str) -> bytes:
        """Returns a picture of a batch with an `output_prefix`. `name` is `file` in the manifest, as `mug-17.png`."""
        return await self._transport.send(batches.picture(batch_id, name))

    async def pause(self, batch_id: str) -> BatchResponse:
        """Pauses a batch. Requests that have started go on. Raises `Conflict` if the batch has ended."""
        return await self._transport.send(batches.change(batch_id, "pause"))

    async def resume(self, batch_id: str) -> BatchResponse:
        """Lets a paused batch go on. Raises `Conflict` if it has ended."""
        return await self._transport.send(batches.change(batch_id, "resume"))

    async def cancel(self, batch_id: str) -> BatchResponse:
        """Cancels a batch. Existing results stay."""
        return await self._transport.send(batches.change(batch_id, "cancel"))

    async def retry(self, batch_id: str) -> BatchResponse:
        """Renders the failed, expired and cancelled requests of an ended batch again. Raises `Conflict`."""
        return await self._transport.send(batches.change(batch_id, "retry"))

    async def delete(self, batch_id: str) -> None:
        """Deletes a batch that has ended, with its results, jobs and pictures. Raises `Conflict` if it runs."""
        await self._transport.send(batches.delete(batch_id))


class AsyncWebhooks:
    """The calls that concern webhooks and, in `endpoints`, webhook endpoints, as `AsyncClient().webhooks`."""

    verify = staticmethod(webhooks.verify)

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport
        self.endpoints = AsyncEndpoints(transport)

    async def secret(self) -> str:
        """Returns the secret that signs the webhooks of jobs with a `webhook_url`. Needs the scope `admin`."""
        return await self._transport.send(service.webhook_secret())
