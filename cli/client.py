"""Sends the commands' requests by `gridpress.client`, returns the JSON of responses, and raises `cli.errors`.

The commands print JSON in the API's own shape, so they read it instead of the models of `gridpress.client`.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic_core import PydanticSerializationError

from cli.errors import Busy, Failure, Refused, Unavailable
from gridpress import client as gridpress
from gridpress.client.calls import jobs, service, tenants
from gridpress.client.calls.call import Call, as_json, as_nothing, escaped

Json = Mapping[str, Any]
Result = TypeVar("Result")

FINAL = frozenset({"succeeded", "failed", "cancelled", "expired", "rejected"})
DEAD_LETTERS = "/v1/dead_letters"
_PAGE = 100
_POLL_S = 0.3
_MOST_ATTEMPTS = 3
_WAIT_S, _MOST_WAIT_S = 0.3, 5.0  # before the next attempt: the default, and the maximum for `Retry-After`
_OUTAGE_LIMIT_S = 60.0  # a supervised API restarts within half a minute


@dataclass(frozen=True, slots=True)
class _AtATerminal(gridpress.Retries):
    """A person waits, so there are few attempts and short pauses. After a 429 the command decides what to do."""

    def wait_s(self, num_retries: int, error: gridpress.ClientError) -> float | None:
        if num_retries + 1 >= _MOST_ATTEMPTS or not error.is_temporary or isinstance(error, gridpress.LimitReached):
            return None
        asked_s = error.retry_after_s if isinstance(error, gridpress.ErrorResponse) else None
        return _WAIT_S if asked_s is None else min(asked_s, _MOST_WAIT_S)


class Client:
    """A client for the HTTP API at one URL. It sends the API key from the environment if there is one.

    Every method raises `Unavailable` when the API is unreachable or returns a server error, `Busy` for a 429, and
    `Failure` for any other error response.
    """

    def __init__(self, url: str, transport: httpx.BaseTransport | None = None) -> None:
        try:
            self._client = gridpress.Client(url, retries=_AtATerminal(), transport=transport)
        except ValueError as error:
            raise Failure(str(error)) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def submit(self, fields: Json) -> Json:
        """Creates a job from the fields of a request. Returns the accepted job."""
        return self._json(jobs.submit(None, fields))

    def job(self, job_id: str) -> Json:
        return self._json(jobs.job(job_id))

    def jobs(self, status: str | None, limit: int, **filters: Any) -> Json:
        """Returns a page of up to `limit` jobs in `data`, the newest first.

        If `status` is given, returns only jobs with this status. The other `filters` are those of the API. Times are of
        the type `datetime`.
        """
        texts = {
            name: value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else value
            for name, value in filters.items()
        }
        return self._json(jobs.jobs({"limit": limit, "status": status, **texts}))

    def each(self, path: str, **params: Any) -> Iterator[Json]:
        """Yields every entry of one of the API's lists, such as `/v1/batches`, the newest first.

        `params` are further query parameters.
        """
        after: dict[str, Any] = {}
        while True:
            page = self._get(path, limit=_PAGE, **params, **after)
            yield from page["data"]
            last_id = page.get("next") or page.get("last_id")
            if not page.get("has_more") or not last_id:
                return
            after = {"after": last_id}

    def readiness(self) -> Json:
        """Returns `/readyz`: whether the service can work, and which of its stores respond."""
        with _worded(self._client.url):
            try:
                return self._client.request("GET", "/readyz")
            except gridpress.ErrorResponse as error:  # a service that can't work says so with status 503
                if not error.body:
                    raise gridpress.UnexpectedResponse from error
                return error.body

    def workers(self) -> Json:
        """Returns `/v1/workers`: the live workers in `data`, with the pictures that they hold."""
        return self._get("/v1/workers")

    def stats(self) -> Json:
        """Returns `/v1/stats`: the load and the capacity of each stage."""
        return self._get("/v1/stats")

    def limits(self) -> Json:
        """Returns `/v1/limits`: the limits of the caller's tenant, and what is left of them."""
        return self._json(tenants.own_limits())

    def usage_text(self, params: Json) -> str:
        """Returns `/v1/usage` as text, in the format that `params` ask for."""
        return self._send(Call("GET", "/v1/usage", lambda response: response.text, params=params))

    def retention(self, tenant: str) -> Json:
        """Returns how long jobs and batches of a tenant are kept after their end."""
        return self._get(f"{_tenant(tenant)}/retention")

    def set_retention(self, tenant: str, delete_after_s: int | None) -> Json:
        """Sets how long jobs and batches of a tenant are kept after their end, and returns it. None: for ever."""
        body = {"delete_after_s": delete_after_s}
        return self._send(service.raw("PUT", f"{_tenant(tenant)}/retention", body, None, None))

    def tenant_limits(self, tenant: str) -> Json:
        """Returns the limits that are set for a tenant."""
        return self._json(tenants.limits(tenant))

    def change_tenant_limits(self, tenant: str, changes: Mapping[str, int | None]) -> Json:
        """Changes some limits of a tenant and returns all of them. None removes a limit."""
        return self._json(tenants.set_limits(tenant, changes))

    def bucket(self, tenant: str) -> Json:
        """Returns the bucket of a tenant, without its secret key."""
        return self._get(f"{_tenant(tenant)}/bucket")

    def set_bucket(self, tenant: str, bucket: Json) -> Json:
        """Gives a tenant a bucket, in place of an earlier one, and returns it."""
        return self._send(service.raw("PUT", f"{_tenant(tenant)}/bucket", bucket, None, None))

    def remove_bucket(self, tenant: str) -> Json:
        """Takes the bucket from a tenant. Objects in the bucket stay."""
        return self._send(service.raw("DELETE", f"{_tenant(tenant)}/bucket", None, None, None))

    def erase(self, tenant: str, *, with_settings: bool) -> Json:
        """Begins to erase all data of a tenant. Returns how far this is."""
        params = {"settings": "true"} if with_settings else None
        return self._send(service.raw("DELETE", f"{_tenant(tenant)}/data", None, params, None))

    def erasure(self, tenant: str) -> Json:
        """Returns whether the data of a tenant is being erased, and how far this is."""
        return self._get(f"{_tenant(tenant)}/data")

    def pause(self, kind: str, name: str, reason: str) -> Json:
        """Pauses a stage, a class, a tenant or a model revision. Returns the pause."""
        return self._send(service.raw("PUT", _pause(kind, name), {"reason": reason}, None, None))

    def resume(self, kind: str, name: str) -> None:
        """Resumes what was paused."""
        self._send(Call("DELETE", _pause(kind, name), as_nothing))

    def pauses(self) -> Json:
        """Returns all that is paused, in `data`."""
        return self._get("/v1/pauses")

    def drain(self, worker_id: str, reason: str) -> Json:
        """Drains a worker. Returns its id and the drain."""
        return self._post(f"{_worker(worker_id)}/drain", {"reason": reason})

    def end_drain(self, worker_id: str) -> None:
        """Ends the drain of a worker."""
        self._send(Call("POST", f"{_worker(worker_id)}/resume", as_nothing))

    def move(self, fields: Json) -> Json:
        """Moves waiting work to another model revision. Returns how much."""
        return self._post("/v1/requeue", fields)

    def models(self) -> Json:
        """Returns all models, in `data`."""
        return self._get("/v1/model_rules")

    def change_model(self, model: str, changes: Json) -> Json:
        """Changes what is set for a model. Returns all of it."""
        return self._send(service.raw("PATCH", f"/v1/model_rules/{quote(model, safe='/')}", changes, None, None))

    def cancel(self, job_id: str) -> Json:
        return self._json(jobs.change(job_id, "cancel"))

    def cancel_all(self, job_ids: Sequence[str] | None, filters: Mapping[str, Any]) -> list[Json]:
        """Cancels the jobs with these ids, or those that pass the filters. Returns what happened to each."""
        with _worded(self._client.url):
            return [each.model_dump(mode="json") for each in self._client.cancel_all(job_ids, **filters)]

    def validate(self, fields: Json) -> Json:
        """Has the service check a request for a job. Returns its report."""
        return self._json(jobs.validate(None, fields))

    def retry(self, job_id: str) -> Json:
        """Has the service render the pictures that a failed, expired or cancelled job lacks. Returns the job."""
        return self._json(jobs.change(job_id, "retry"))

    def delete(self, job_id: str) -> None:
        self._send(jobs.delete(job_id))

    def dead_letters(self, limit: int) -> Json:
        """Returns a page of up to `limit` dead letters in `data`. The dead letters of the newest jobs come first."""
        return self._get(DEAD_LETTERS, limit=limit)

    def dead_letter(self, letter_id: str) -> Json:
        return self._get(_letter(letter_id))

    def requeue(self, letter_id: str) -> Json:
        """Has the service try the render of a dead letter again. Returns the render's job, which continues."""
        return self._post(f"{_letter(letter_id)}/requeue")

    def purge(self, letter_id: str) -> None:
        self._send(Call("POST", f"{_letter(letter_id)}/purge", as_nothing))

    def webhook_secret(self) -> str:
        return self._send(service.webhook_secret())

    def watch(self, job_ids: Iterable[str]) -> Iterator[dict[str, Json]]:
        """Polls jobs until all of them have ended. After each poll, yields all jobs by id.

        Continues while the API restarts. Raises `Unavailable` when no poll succeeds for 60 s.
        """
        seen: dict[str, Json] = {job_id: {"status": "queued"} for job_id in job_ids}
        last_response_at = time.monotonic()
        while any(job["status"] not in FINAL for job in seen.values()):
            time.sleep(_POLL_S)
            try:
                seen |= {job_id: self.job(job_id) for job_id, job in seen.items() if job["status"] not in FINAL}
            except Unavailable:
                if time.monotonic() - last_response_at > _OUTAGE_LIMIT_S:
                    raise
            else:
                last_response_at = time.monotonic()
                yield seen

    def picture_of(self, job_id: str, index: int) -> bytes:
        """Returns the file of one finished picture."""
        return self._send(jobs.picture(job_id, index))

    def download(self, job_id: str, index: int, path: Path) -> None:
        """Downloads one finished picture to the file `path`. An interrupted download leaves no file."""
        draft = path.with_name(f".{path.name}.part")
        try:
            draft.write_bytes(self.picture_of(job_id, index))
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)

    def _get(self, path: str, **params: Any) -> Json:
        return self._send(service.raw("GET", path, None, params, None))

    def _post(self, path: str, body: object = None, key: str | None = None) -> Json:
        return self._send(service.raw("POST", path, body, None, None), key)

    def _json(self, call: Call[Any], key: str | None = None) -> Json:
        """Sends a call of `gridpress.client`. Returns the JSON of the response instead of a model."""
        return self._send(replace(call, read=as_json), key)

    def _send(self, call: Call[Result], key: str | None = None) -> Result:
        with _worded(self._client.url):
            return self._client.send(call, idempotency_key=key)


@contextmanager
def _worded(url: str) -> Iterator[None]:
    """Converts the errors of `gridpress.client` to those of the command line: `Busy` for a 429, `Unavailable` for a 5xx
    or no response, otherwise `Refused`. Adds what a person at a terminal can do.
    """
    try:
        yield
    except gridpress.ErrorResponse as error:
        raise _refusal(error) from error
    except gridpress.UnexpectedResponse as error:
        raise Unavailable(f"{url} does not answer like Gridpress: is it another service?") from error
    except gridpress.Unreachable as error:
        hint = "start the service with `gridpress up`, or give its address with --url"
        raise Unavailable(f"{error}: {hint}") from error
    except (UnicodeEncodeError, PydanticSerializationError) as error:
        # Python decodes invalid UTF-8 in arguments to lone surrogates.
        raise Failure("the request holds text that is not UTF-8") from error


def _refusal(error: gridpress.ErrorResponse) -> Failure:
    text = f"{error} (set GRIDPRESS_API_KEY)" if error.status == httpx.codes.UNAUTHORIZED else str(error)
    if isinstance(error, gridpress.LimitReached):
        asked_s = error.retry_after_s
        return Busy(text, _WAIT_S if asked_s is None else min(asked_s, _MOST_WAIT_S))
    if isinstance(error, gridpress.ServiceFailed):
        return Unavailable(text)
    return Refused(text, [(field.field, field.message) for field in error.fields])


def _tenant(name: str) -> str:
    return f"/v1/tenants/{escaped(name)}"


def _pause(kind: str, name: str) -> str:
    return f"/v1/pauses/{escaped(kind)}/{escaped(name)}"


def _worker(worker_id: str) -> str:
    return f"/v1/workers/{escaped(worker_id)}"


def _letter(letter_id: str) -> str:
    return f"{DEAD_LETTERS}/{escaped(letter_id)}"
