"""A thin client of the HTTP API. Answers are the API's own JSON; errors are the command's."""

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx

from cli.errors import Busy, Failure, Unavailable
from shared.access.keys import id_of
from shared.egress.addresses import is_loopback_host

Json = Mapping[str, Any]

FINAL = frozenset({"succeeded", "failed", "cancelled", "expired"})
_POLL_S = 0.3
_MOST_ATTEMPTS = 3
_WAIT_S, _MOST_WAIT_S = 0.3, 5.0  # before the next attempt
_OUTAGE_LIMIT_S = 60.0  # a supervised API is back within half a minute


class Client:
    """One API, with the key of GRIDPRESS_API_KEY if there is one.

    Every method raises `Unavailable` when nothing answers and `Failure` when the request is refused.
    """

    def __init__(self, url: str, transport: httpx.BaseTransport | None = None) -> None:
        self._url = url.rstrip("/")
        # A proxy from the environment must not be asked for what is on this machine.
        trust_env = not is_loopback_host(urlsplit(url).hostname or "")
        self._http = httpx.Client(
            base_url=self._url, headers=_key_field(), timeout=60.0, trust_env=trust_env, transport=transport
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def submit(self, fields: Json) -> Json:
        """Creates a job; answers it as accepted."""
        return self._json("POST", "/v1/jobs", json=fields)

    def job(self, job_id: str) -> Json:
        return self._json("GET", _path(job_id))

    def jobs(self, status: str | None, limit: int) -> list[Json]:
        """The newest jobs first."""
        params = {"limit": limit} | ({"status": status} if status else {})
        return list(self._json("GET", "/v1/jobs", params=params)["data"])

    def stats(self) -> Json:
        """What the stages have to do, and do it with."""
        return self._json("GET", "/v1/stats")

    def cancel(self, job_id: str) -> Json:
        return self._json("POST", f"{_path(job_id)}/cancel")

    def retry(self, job_id: str) -> Json:
        """The job, which goes on."""
        return self._json("POST", f"{_path(job_id)}/retry")

    def delete(self, job_id: str) -> None:
        self._send("DELETE", _path(job_id))

    def dead_letters(self, limit: int) -> list[Json]:
        """Those of the newest jobs first."""
        return list(self._json("GET", "/v1/dead_letters", params={"limit": limit})["data"])

    def dead_letter(self, letter_id: str) -> Json:
        return self._json("GET", _path(letter_id, "dead_letters"))

    def requeue(self, letter_id: str) -> Json:
        """The job, which runs again."""
        return self._json("POST", f"{_path(letter_id, 'dead_letters')}/requeue")

    def purge(self, letter_id: str) -> None:
        self._send("POST", f"{_path(letter_id, 'dead_letters')}/purge")

    def webhook_secret(self) -> str:
        return str(self._json("GET", "/v1/webhooks/secret")["secret"])

    def watch(self, job_ids: Iterable[str]) -> Iterator[dict[str, Json]]:
        """All these jobs by id, again and again until all are final. An API that restarts meanwhile is waited for."""
        jobs: dict[str, Json] = {job_id: {"status": "queued"} for job_id in job_ids}
        answered_at = time.monotonic()
        while any(job["status"] not in FINAL for job in jobs.values()):
            time.sleep(_POLL_S)
            try:
                jobs |= {job_id: self.job(job_id) for job_id, job in jobs.items() if job["status"] not in FINAL}
            except Unavailable:
                if time.monotonic() - answered_at > _OUTAGE_LIMIT_S:
                    raise
            else:
                answered_at = time.monotonic()
                yield jobs

    def download(self, job_id: str, index: int, path: Path) -> None:
        """Writes one finished picture; a download that breaks off leaves no file behind."""
        draft = path.with_name(f".{path.name}.part")
        try:
            draft.write_bytes(self._send("GET", f"{_path(job_id)}/images/{index}", follow_redirects=True).content)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)

    def _json(self, method: str, path: str, **arguments: Any) -> Json:
        answer = self._send(method, path, **arguments)
        try:
            return dict(answer.json())
        except ValueError as error:
            raise Unavailable(f"{self._url} does not answer like Gridpress: is it another service?") from error

    def _send(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        try:
            answer = self._request(method, path, **arguments)
        except UnicodeEncodeError as error:  # bytes of the command line that are no UTF-8 arrive as lone surrogates
            raise Failure("the request holds text that is not UTF-8") from error
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise Unavailable(
                f"nothing answers at {self._url} ({error}): start it with `gridpress up`, or name it with --url"
            ) from error
        if answer.is_error:
            raise _refusal(answer)
        return answer

    def _request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """What changes nothing is asked again while nobody answers, or the service asks for patience."""
        for _ in range(_MOST_ATTEMPTS - 1 if method == "GET" else 0):
            try:
                answer = self._http.request(method, path, **arguments)
            except httpx.TransportError:
                time.sleep(_WAIT_S)
                continue
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                return answer
            time.sleep(_wait_s(answer))
        return self._http.request(method, path, **arguments)


def _wait_s(answer: httpx.Response) -> float:
    """Returns the seconds of `Retry-After`, at most as many as a person at a terminal will wait."""
    text = answer.headers.get("Retry-After", "")
    return min(float(text), _MOST_WAIT_S) if text.isdecimal() else _WAIT_S


def _key_field() -> dict[str, str]:
    """Returns the header field with the API key. Refuses other text: it may be a secret of another service."""
    key, path = (os.environ.get(f"GRIDPRESS_API_KEY{end}", "").strip() for end in ("", "_FILE"))
    if key and path:
        raise Failure("GRIDPRESS_API_KEY and GRIDPRESS_API_KEY_FILE are both set: leave one out")
    if path:
        key = _text_of(Path(path))
    if not key and not path:
        return {}
    if id_of(key) is None:
        where = path or "GRIDPRESS_API_KEY"
        raise Failure(f"{where} holds no API key: `gridpress keys create` prints one")
    return {"Authorization": f"Bearer {key}"}


def _text_of(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise Failure(f"GRIDPRESS_API_KEY_FILE={path} can't be read: {why}") from error


def _path(name: str, collection: str = "jobs") -> str:
    """Of one job or dead letter, whatever a person typed for its id."""
    return f"/v1/{collection}/{quote(name, safe='', errors='replace')}"


def _refusal(answer: httpx.Response) -> Failure:
    """What an RFC 9457 problem or OpenAI's error says; whatever else answered keeps its status line."""
    try:
        said = answer.json()
        text = str(said["error"]["message"] if "error" in said else said["detail"])
    except (ValueError, KeyError, TypeError):
        text = f"{answer.request.url} answered {answer.status_code} {answer.reason_phrase}"
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        text += " (set GRIDPRESS_API_KEY)"
    if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
        return Busy(text, _wait_s(answer))
    return Unavailable(text) if answer.is_server_error else Failure(text)
