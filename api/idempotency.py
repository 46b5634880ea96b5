"""Idempotency-Key on every POST (draft-ietf-httpapi-idempotency-key-header): the same key and body act once.

Hooks around all routes, so none can forget it. Answers of success are kept; a refusal frees the key; where a job was
made, the key leads to it whatever came after, so that no crash and no lost connection makes a second one.
"""

import hashlib
import json
import re
from collections.abc import Iterable
from typing import Any

import structlog
from flask import Flask, Response, current_app, g, request

from api.body import body_document
from api.callers import caller
from api.errors import IdempotencyKeyReused, RequestInProgress
from api.incoming import content_of, whole_body
from api.services import services
from shared.errors import InvalidRequest, JobNotFound, PayloadTooLarge, StoreUnavailable
from shared.ids import JobId, new_job_id
from shared.intake.documents import digest_of
from shared.jobs import Job
from shared.store.idempotency import Busy, KeptAnswer, Reservation, Reused

log = structlog.get_logger()

FIELD = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"

_MOST_KEPT_BYTES = 64 * 1024  # pictures are answered from their job, not from here
_KEPT_FIELDS = ("Content-Type", "Location", "Preference-Applied")
_STREAMED = "gridpress_streamed_body"
_BARE = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]{1,255}")  # visible ASCII without " , ; \
_QUOTED = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\]){1,510})"')  # a String of RFC 9651
_MOST_CHARS = 255


def install(app: Flask) -> None:
    """After the hooks that say who calls: a key belongs to a tenant."""
    app.before_request(_before)
    app.after_request(_after)


def streams_body(view: Any) -> Any:
    """Marks a view that reads its body as it comes: it calls `begin` itself, once it knows what the body was."""
    setattr(view, _STREAMED, True)
    return view


def begin(fingerprint: str, new_id: str) -> Response | None:
    """The answer that the caller's key has already, if it has one; else this request is the one to answer.

    `new_id` is reserved with the key unless another one was.

    Raises `IdempotencyKeyReused`, and `RequestInProgress` while another request is at it.
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
    """What the first request with this one's key reserved; None without a key."""
    reservation = _reservation()
    return reservation.reserved_id if reservation else None


def reserved_job_id() -> JobId:
    """The id under which this request makes its job: the same for every request with its key."""
    return JobId(reserved_id() or new_job_id())


def standing_job() -> Job | None:
    """The job that an earlier request with this key made and whose answer was not kept: answer from it, make none."""
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
    """Right after the job was made: retries are answered from it, and need not wait until this request is answered."""
    reservation = _reservation()
    if reservation is None:
        return
    g.job_stands = True
    try:
        services().idempotency.job_stands(reservation)
    except StoreUnavailable as error:  # the job stands all the same; a retry finds it when the lease has ended
        log.warning("idempotency.not_noted", error=str(error))


def holds_links() -> None:
    """The answer of this request holds links that expire: it is made anew for every retry, and never kept."""
    g.holds_links = True


def say_replayed() -> None:
    """The answer of this request tells of what an earlier one with its key made."""
    g.is_replayed = True


def fingerprint_of(parts: Iterable[object]) -> str:
    """SHA-256 over plain JSON values, the same for equal values."""
    canonical = json.dumps(list(parts), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _before() -> Response | None:
    if _key() is None or request.url_rule is None:
        return None
    view = current_app.view_functions[request.url_rule.endpoint]
    return None if getattr(view, _STREAMED, False) else begin(request_fingerprint(), new_job_id())


def _after(response: Response) -> Response:
    """Decides what the key stands for from now on."""
    reservation = _reservation()
    if g.get("is_replayed"):
        response.headers[REPLAYED] = "true"
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
    """Of a POST. Raises `InvalidRequest` for what is neither a String of RFC 9651 nor a bare word."""
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
    """Of path, query and body. A multipart body counts by its fields and files: its boundary is drawn at random."""
    head = [request.path, request.query_string.decode("latin-1"), request.mimetype]
    if request.mimetype == "multipart/form-data":
        files = [
            [name, file.filename, file.mimetype, digest_of(content_of(file.stream))]
            for name, file in request.files.items(multi=True)
        ]
        return fingerprint_of([*head, list(request.form.items(multi=True)), files])
    return fingerprint_of([*head, _canonical_digest()])


def _canonical_digest() -> str:
    """Spaces and the order of fields say nothing. What is no JSON is the route's to refuse."""
    try:
        return fingerprint_of([body_document().value])
    except (InvalidRequest, PayloadTooLarge):
        return digest_of(whole_body())
