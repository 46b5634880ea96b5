"""Idempotency-Key on every POST (draft-ietf-httpapi-idempotency-key-header): the same key and body act once.

Hooks around all routes, so none can forget it. Successful responses are kept; a refusal frees the key. Once a job is
made, the key leads to it, so that no crash and no lost connection makes a second one.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import structlog
from flask import Flask, Response, current_app, g, request

from api.edge.callers import caller
from api.jobs.body import body_document
from api.problems.errors import IdempotencyKeyReused, RequestInProgress
from api.server.incoming import content_of, whole_body
from api.services import services
from shared.errors import InvalidRequest, JobNotFound, PayloadTooLarge, StoreUnavailable
from shared.ids import JobId, new_job_id
from shared.intake.documents import digest_of
from shared.jobs.job import Job
from shared.metrics.catalogue import IDEMPOTENT_REPLAYS
from shared.store.idempotency.requests import Busy, KeptAnswer, Reservation, Reused

log = structlog.get_logger()

View = TypeVar("View", bound=Callable[..., Any])

FIELD = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"

_MOST_KEPT_BYTES = 64 * 1024  # pictures are answered from their job, not from here
_KEPT_FIELDS = ("Content-Type", "Location", "Preference-Applied")
_STREAMED, _EXEMPT = "gridpress_streamed_body", "gridpress_exempt"
_BARE = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]{1,255}")  # visible ASCII without " , ; \
_QUOTED = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\]){1,510})"')  # a String of RFC 9651
_MOST_CHARS = 255


def install(app: Flask) -> None:
    """Installs the hooks. Must follow those that authenticate, since a key belongs to a tenant."""
    app.before_request(_before)
    app.after_request(_after)


def streams_body(view: Any) -> Any:
    """Marks a view that streams its body. It calls `begin` itself, once the body is received."""
    setattr(view, _STREAMED, True)
    return view


def not_for(is_exempt: Callable[[], bool]) -> Callable[[View], View]:
    """Marks a view: a request for which `is_exempt` returns True does nothing, so it uses up no key."""

    def marked(view: View) -> View:
        setattr(view, _EXEMPT, is_exempt)
        return view

    return marked


def begin(fingerprint: str, new_id: str) -> Response | None:
    """Returns the response kept for this key, if there is one; else reserves the key for this request.

    `new_id` is reserved with the key unless the key has an id already. Raises `IdempotencyKeyReused`, and
    `RequestInProgress` while another request with the key is running.
    """
    key = _key()
    if key is None:
        return None
    assert request.url_rule
    begun = services().idempotency.begin(caller().tenant, request.url_rule.rule, key, fingerprint, new_id)
    match begun:
        case Reused():
            raise IdempotencyKeyReused("this Idempotency-Key came with another request before")
        case Busy():
            raise RequestInProgress("the first request with this Idempotency-Key is still being answered")
        case KeptAnswer():
            return _again(begun)
    g.reservation = begun
    return None


def reserved_id() -> str | None:
    """Returns the id that the first request with this key reserved; None without a key."""
    reservation = _reservation()
    return reservation.reserved_id if reservation else None


def reserve(other_id: str) -> None:
    """Reserves another id for what this request makes, where the reserved one can't be used. Raises
    `RequestInProgress` when another request with its key took over meanwhile.
    """
    reservation = _reservation()
    if reservation and not services().idempotency.reserve(reservation, other_id):
        raise RequestInProgress("another request with this Idempotency-Key took over meanwhile")


def reserved_job_id() -> JobId:
    """Returns the id for the job of this request. It is the same for every request with its key."""
    return JobId(reserved_id() or new_job_id())


def standing_job() -> Job | None:
    """Returns the job that an earlier request with this key made and whose response was not kept; None without one."""
    job_id = reserved_id()
    if job_id is None:
        return None
    try:
        job = services().store.job(JobId(job_id), caller().tenant)
    except JobNotFound:
        return None
    job_stands()
    say_replayed()
    return job


def job_stands() -> None:
    """Records, right after the job was made, that retries are answered from it without waiting for this request."""
    reservation = _reservation()
    if reservation is None:
        return
    g.job_stands = True
    try:
        services().idempotency.job_stands(reservation)
    except StoreUnavailable as error:  # the job stands all the same; a retry finds it when the lease has ended
        log.warning("idempotency.not_noted", error=str(error))


def holds_links() -> None:
    """Marks the response of this request as holding links that expire.

    It is never kept, but made anew for every retry.
    """
    g.holds_links = True


def say_replayed() -> None:
    """Marks the response of this request as a repetition: an earlier request with its key did the work."""
    g.is_replayed = True


def fingerprint_of(parts: Iterable[object]) -> str:
    """Returns the SHA-256 of plain JSON values, the same for equal values."""
    canonical = json.dumps(list(parts), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _before() -> Response | None:
    if _key() is None or request.url_rule is None:
        return None
    view = current_app.view_functions[request.url_rule.endpoint]
    if getattr(view, _EXEMPT, lambda: False)():
        return None
    return None if getattr(view, _STREAMED, False) else begin(request_fingerprint(), new_job_id())


def _after(response: Response) -> Response:
    """Decides whether the key keeps this response, leads to a job or is freed."""
    reservation = _reservation()
    if g.get("is_replayed"):
        response.headers[REPLAYED] = "true"
        IDEMPOTENT_REPLAYS.inc()
    if reservation is None:
        return response
    try:
        _end(reservation, response)
    except StoreUnavailable as error:  # what was done is done; the lease ends by itself
        log.warning("idempotency.not_kept", error=str(error))
    return response


def _end(reservation: Reservation, response: Response) -> None:
    store = services().idempotency
    if _can_be_kept(response):
        headers = {name: response.headers[name] for name in _KEPT_FIELDS if name in response.headers}
        store.keep(reservation, KeptAnswer(response.status_code, headers, response.get_data(as_text=True)))
    elif g.get("job_stands"):
        return
    elif 400 <= response.status_code < 500:
        store.forget(reservation)
    else:
        store.release(reservation)


def _can_be_kept(response: Response) -> bool:
    if response.status_code >= 400 or response.is_streamed or g.get("holds_links"):
        return False
    return len(response.get_data()) <= _MOST_KEPT_BYTES


def _again(answer: KeptAnswer) -> Response:
    say_replayed()
    return Response(answer.body, answer.status, answer.headers)


def _reservation() -> Reservation | None:
    reservation: Reservation | None = g.get("reservation")
    return reservation


def _key() -> str | None:
    """Returns the key of a POST. Raises `InvalidRequest` for neither a String of RFC 9651 nor a bare word."""
    text = request.headers.get(FIELD) if request.method == "POST" else None
    if text is None:
        return None
    quoted = _QUOTED.fullmatch(text)
    key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else text
    if not (quoted or _BARE.fullmatch(text)) or len(key) > _MOST_CHARS:
        what = f'{FIELD} must be a string of 1 to {_MOST_CHARS} ASCII characters in quotes, such as "8e03978e-40d5"'
        raise InvalidRequest(what, FIELD)
    return key


def request_fingerprint() -> str:
    """Returns the hash of path, query and body.

    Of a multipart body it takes fields and files: the boundary is random.
    """
    head = [request.path, request.query_string.decode("latin-1"), request.mimetype]
    if request.mimetype == "multipart/form-data":
        files = [
            [name, file.filename, file.mimetype, digest_of(content_of(file.stream))]
            for name, file in request.files.items(multi=True)
        ]
        return fingerprint_of([*head, list(request.form.items(multi=True)), files])
    return fingerprint_of([*head, _canonical_digest()])


def _canonical_digest() -> str:
    """Returns a hash that ignores spaces and the order of fields. The route refuses a body that is not JSON."""
    try:
        return fingerprint_of([body_document().value])
    except (InvalidRequest, PayloadTooLarge):
        return digest_of(whole_body())
