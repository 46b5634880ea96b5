"""Implements a client for the HTTP API. It returns the JSON of responses, and raises the exceptions of `cli.errors`."""

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx

from cli.errors import Busy, Failure, Refused, Unavailable
from shared.access.keys import id_of
from shared.addresses import is_loopback_host

Json = Mapping[str, Any]

FINAL = frozenset({"succeeded", "failed", "cancelled", "expired"})
DEAD_LETTERS = "/v1/dead_letters"
_PAGE = 100
_POLL_S = 0.3
_MOST_ATTEMPTS = 3
_WAIT_S, _MOST_WAIT_S = 0.3, 5.0  # before the next attempt: the default, and the maximum for `Retry-After`
_OUTAGE_LIMIT_S = 60.0  # a supervised API restarts within half a minute


class Client:
    """A client for the HTTP API at one URL. It sends the API key from the environment if there is one.

    Every method raises `Unavailable` when the API is unreachable or returns a server error, `Busy` for a 429, and
    `Failure` for any other error response.
    """

    def __init__(self, url: str, transport: httpx.BaseTransport | None = None) -> None:
        self._url = url.rstrip("/")
        # Requests to this machine must not go through a proxy that the environment names.
        trust_env = not is_loopback_host(urlsplit(url).hostname or "")
        self._http = httpx.Client(
            base_url=self._url, headers=_key_field(), timeout=60.0, trust_env=trust_env, transport=transport
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def submit(self, fields: Json) -> Json:
        """Creates a job from the fields of a request. Returns the accepted job."""
        return self._json("POST", "/v1/jobs", json=fields)

    def job(self, job_id: str) -> Json:
        return self._json("GET", _path(job_id))

    def jobs(self, status: str | None, limit: int, **between: datetime) -> Json:
        """Returns a page of up to `limit` jobs in `data`, the newest first.

        If `status` is given, returns only jobs with this status. `between` limits the time of creation by
        `created_after` and `created_before`.
        """
        params: dict[str, Any] = {"limit": limit} | ({"status": status} if status else {})
        times = {name: moment.isoformat(timespec="milliseconds") for name, moment in between.items()}
        return self._json("GET", "/v1/jobs", params=params | times)

    def each(self, path: str) -> Iterator[Json]:
        """Yields every entry of one of the API's lists, such as `/v1/batches`, the newest first."""
        after: dict[str, Any] = {}
        while True:
            page = self._json("GET", path, params={"limit": _PAGE, **after})
            yield from page["data"]
            last_id = page.get("next") or page.get("last_id")
            if not page.get("has_more") or not last_id:
                return
            after = {"after": last_id}

    def readiness(self) -> Json:
        """Returns `/readyz`: whether the service can work, and which of its stores respond."""
        response = self._send("GET", "/readyz", is_read_anyhow=True)
        try:
            return dict(response.json())
        except (ValueError, TypeError) as error:
            raise Unavailable(f"{self._url} does not answer like Gridpress: is it another service?") from error

    def workers(self) -> Json:
        """Returns `/v1/workers`: the live workers in `data`, with the pictures that they hold."""
        return self._json("GET", "/v1/workers")

    def stats(self) -> Json:
        """Returns `/v1/stats`: the load and the capacity of each stage."""
        return self._json("GET", "/v1/stats")

    def cancel(self, job_id: str) -> Json:
        return self._json("POST", f"{_path(job_id)}/cancel")

    def retry(self, job_id: str) -> Json:
        """Has the service render the pictures that a failed, expired or cancelled job lacks. Returns the job."""
        return self._json("POST", f"{_path(job_id)}/retry")

    def delete(self, job_id: str) -> None:
        self._send("DELETE", _path(job_id))

    def dead_letters(self, limit: int) -> Json:
        """Returns a page of up to `limit` dead letters in `data`. The dead letters of the newest jobs come first."""
        return self._json("GET", DEAD_LETTERS, params={"limit": limit})

    def dead_letter(self, letter_id: str) -> Json:
        return self._json("GET", _path(letter_id, "dead_letters"))

    def requeue(self, letter_id: str) -> Json:
        """Has the service try the render of a dead letter again. Returns the render's job, which continues."""
        return self._json("POST", f"{_path(letter_id, 'dead_letters')}/requeue")

    def purge(self, letter_id: str) -> None:
        self._send("POST", f"{_path(letter_id, 'dead_letters')}/purge")

    def webhook_secret(self) -> str:
        return str(self._json("GET", "/v1/webhooks/secret")["secret"])

    def watch(self, job_ids: Iterable[str]) -> Iterator[dict[str, Json]]:
        """Polls jobs until all of them have ended. After each poll, yields all jobs by id.

        Continues while the API restarts. Raises `Unavailable` when no poll succeeds for 60 s.
        """
        jobs: dict[str, Json] = {job_id: {"status": "queued"} for job_id in job_ids}
        last_response_at = time.monotonic()
        while any(job["status"] not in FINAL for job in jobs.values()):
            time.sleep(_POLL_S)
            try:
                jobs |= {job_id: self.job(job_id) for job_id, job in jobs.items() if job["status"] not in FINAL}
            except Unavailable:
                if time.monotonic() - last_response_at > _OUTAGE_LIMIT_S:
                    raise
            else:
                last_response_at = time.monotonic()
                yield jobs

    def picture_of(self, job_id: str, index: int) -> bytes:
        """Returns the file of one finished picture."""
        return self._send("GET", f"{_path(job_id)}/images/{index}", follow_redirects=True).content

    def download(self, job_id: str, index: int, path: Path) -> None:
        """Downloads one finished picture to the file `path`. An interrupted download leaves no file."""
        draft = path.with_name(f".{path.name}.part")
        try:
            draft.write_bytes(self.picture_of(job_id, index))
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)

    def _json(self, method: str, path: str, **arguments: Any) -> Json:
        response = self._send(method, path, **arguments)
        try:
            return dict(response.json())
        except (ValueError, TypeError) as error:
            raise Unavailable(f"{self._url} does not answer like Gridpress: is it another service?") from error

    def _send(self, method: str, path: str, *, is_read_anyhow: bool = False, **arguments: Any) -> httpx.Response:
        """Sends a request and returns the response. With `is_read_anyhow`, returns an error response as well."""
        try:
            response = self._request(method, path, **arguments)
        except UnicodeEncodeError as error:  # Python decodes invalid UTF-8 in arguments to lone surrogates
            raise Failure("the request holds text that is not UTF-8") from error
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise Unavailable(
                f"nothing answers at {self._url} ({_why_unreachable(error)}): "
                "start the service with `gridpress up`, or give its address with --url"
            ) from error
        if response.is_error and not is_read_anyhow:
            raise _refusal(response)
        return response

    def _request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Sends a request and returns the response.

        If the API is unreachable or responds with 503, retries a GET up to twice. Does not retry other requests.
        """
        for _ in range(_MOST_ATTEMPTS - 1 if method == "GET" else 0):
            try:
                response = self._http.request(method, path, **arguments)
            except httpx.TransportError:
                time.sleep(_WAIT_S)
                continue
            if response.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                return response
            time.sleep(_wait_s(response))
        return self._http.request(method, path, **arguments)


def _why_unreachable(error: httpx.TransportError | httpx.InvalidURL) -> str:
    return next(why for kind, why in _UNREACHABLE if isinstance(error, kind))


# The first kind that matches counts.
_UNREACHABLE: tuple[tuple[type[Exception], str], ...] = (
    (httpx.InvalidURL, "that is no URL"),
    (httpx.UnsupportedProtocol, "the URL must begin with http:// or https://"),
    (httpx.ConnectError, "no connection is possible"),
    (httpx.TimeoutException, "there was no response in time"),
    (httpx.ProtocolError, "the connection ended without a response in HTTP"),
    (Exception, "the connection was lost"),
)


def _wait_s(response: httpx.Response) -> float:
    """Returns the seconds to wait before a retry: the `Retry-After` of the response, or 0.3 if it has none.

    Returns at most 5, because a person waits at a terminal.
    """
    text = response.headers.get("Retry-After", "")
    return min(float(text), _MOST_WAIT_S) if text.isdecimal() else _WAIT_S


def _key_field() -> dict[str, str]:
    """Returns the Authorization header with the API key from the environment, or no header if there is no API key.

    Raises `Failure` if the text is not an API key of Gridpress. It may be a secret of another service, which must not
    be sent.
    """
    key, path = (os.environ.get(f"GRIDPRESS_API_KEY{end}", "").strip() for end in ("", "_FILE"))
    if key and path:
        raise Failure("GRIDPRESS_API_KEY and GRIDPRESS_API_KEY_FILE are both set: unset one of them")
    if path:
        key = _text_of(Path(path))
    if not key and not path:
        return {}
    if id_of(key) is None:
        where = path or "GRIDPRESS_API_KEY"
        raise Failure(f"{where} does not contain an API key: `gridpress keys create` prints one")
    return {"Authorization": f"Bearer {key}"}


def _text_of(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise Failure(f"GRIDPRESS_API_KEY_FILE={path} can't be read: {why}") from error


def _path(name: str, collection: str = "jobs") -> str:
    """Returns the URL path of a job or a dead letter. Escapes the id, because a person may have typed any text."""
    return f"/v1/{collection}/{quote(name, safe='', errors='replace')}"


def _refusal(response: httpx.Response) -> Failure:
    """Converts an error response to an exception: `Busy` for a 429, `Unavailable` for a 5xx, otherwise `Refused`.

    The message comes from the response body, which is an RFC 9457 problem or an error in OpenAI's format. For any other
    body, the message has the URL and the status.
    """
    errors: list[tuple[str | None, str]] = []
    try:
        said = response.json()
        text = str(said["error"]["message"] if "error" in said else said["detail"])
        errors = _errors(said, text)
    except (ValueError, KeyError, TypeError):
        text = f"{response.request.url} answered {response.status_code} {response.reason_phrase}"
    if response.status_code == httpx.codes.UNAUTHORIZED:
        text += " (set GRIDPRESS_API_KEY)"
    if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
        return Busy(text, _wait_s(response))
    return Unavailable(text) if response.is_server_error else Refused(text, errors)


def _errors(said: Json, text: str) -> list[tuple[str | None, str]]:
    """Returns the invalid fields in an error response, with a message about each."""
    found = [(each["field"], str(each["message"])) for each in said.get("errors") or ()]
    return found or [(said.get("field") or said.get("error", {}).get("param"), text)]
