"""Handles the header field Idempotency-Key of every POST request, so that a repeated request acts only once.

Hooks around all routes do this, so that no route can miss it. The store keeps successful responses by idempotency key.
After an error response the idempotency key is free again, so a retry runs. Once a job is created, its idempotency key
leads to the job. So neither a crash nor a lost connection leads to a second job. The header field follows
draft-ietf-httpapi-idempotency-key-header.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import structlog
from flask import Flask, Response, current_app, g, request

from api.bodies.documents import body_document
from api.bodies.incoming import content_of, whole_body
from api.edge.authentication import caller
from api.problems.errors import IdempotencyKeyReused, RequestInProgress
from api.services import services
from shared.errors import InvalidRequest, JobNotFound, PayloadTooLarge, StoreUnavailable
from shared.ids import JobId, new_job_id
from shared.intake.json_documents import digest_of
from shared.jobs.job import Job
from shared.metrics.catalogue import IDEMPOTENT_REPLAYS
from shared.store.idempotency.requests import Busy, Reservation, Reused, StoredResponse

log = structlog.get_logger()

View = TypeVar("View", bound=Callable[..., Any])

FIELD = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"

_MOST_KEPT_BYTES = 64 * 1024  # responses with pictures are larger; they are made again from their job
_KEPT_FIELDS = ("Content-Type", "Location", "Preference-Applied")
_STREAMED, _EXEMPT = "gridpress_streamed_body", "gridpress_exempt"
_BARE = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]{1,255}")  # visible ASCII without " , ; \
_QUOTED = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\]){1,510})"')  # a String of RFC 9651
_MOST_CHARS = 255


def install(app: Flask) -> None:
    """Installs the hooks that handle Idempotency-Key.

    They must follow authentication, since an idempotency key belongs to a tenant.
    """
    app.before_request(_before)
    app.after_request(_after)


def streams_body(view: Any) -> Any:
    """Marks a view that streams its request body, so that the idempotency hook does not read the body.

    The view calls `begin` of this module itself, after it has received the body.
    """
    setattr(view, _STREAMED, True)
    return view


def exempt_if(is_exempt: Callable[[], bool]) -> Callable[[View], View]:
    """Returns a decorator for a view. The decorated view ignores Idempotency-Key when `is_exempt` returns True.

    `is_exempt` is called in each request. Exempt requests change nothing, so they use up no Idempotency-Key.
    """

    def marked(view: View) -> View:
        setattr(view, _EXEMPT, is_exempt)
        return view

    return marked


def begin(fingerprint: str, new_id: str) -> Response | None:
    """Returns the stored response for the Idempotency-Key of the current request. If there is none, returns None.

    In the second case it reserves the key for this request, together with an id for the object that the request
    creates. The id is `new_id`, unless an earlier request with the same key has reserved an id. That earlier id is then
    used again. For a request without a key, the function reserves nothing and returns None.

    Raises `IdempotencyKeyReused` if the first request with the key had another `fingerprint`. Raises
    `RequestInProgress` while another request with the key runs.
    """
    key = _key()
    if key is None:
        return None
    assert request.url_rule
    begun = services().idempotency.begin(caller().tenant, request.url_rule.rule, key, fingerprint, new_id)
    match begun:
        case Reused():
            raise IdempotencyKeyReused("this Idempotency-Key was used with a different request before")
        case Busy():
            raise RequestInProgress("the first request with this Idempotency-Key is still running")
        case StoredResponse():
            return _again(begun)
    g.reservation = begun
    return None


def reserved_id() -> str | None:
    """Returns the id that the first request with the same Idempotency-Key reserved for the object that it creates.

    Returns None for a request without a key.
    """
    reservation = _reservation()
    return reservation.reserved_id if reservation else None


def reserve(other_id: str) -> None:
    """Replaces the id that is reserved, under the Idempotency-Key, for the object that this request creates.

    Call this if the request can't use the reserved id. Raises `RequestInProgress` if another request with the same
    Idempotency-Key has taken over since.
    """
    reservation = _reservation()
    if reservation and not services().idempotency.reserve(reservation, other_id):
        raise RequestInProgress("another request with this Idempotency-Key has taken over")


def reserved_job_id() -> JobId:
    """Returns the id for the job that the current request creates.

    This is the id that the request's Idempotency-Key reserved, or a new id for a request without a key.
    """
    return JobId(reserved_id() or new_job_id())


def existing_job() -> Job | None:
    """Returns the job that an earlier request with the same Idempotency-Key created, or None if there is none.

    Call this only when no response is stored for that earlier request. The current request must then respond with the
    job. If there is a job, the current response is also marked as a repetition.
    """
    reservation = _reservation()
    if reservation is None or reservation.is_new:
        return None
    try:
        job = services().store.job(JobId(reservation.reserved_id), caller().tenant)
    except JobNotFound:
        return None
    job_created()
    mark_replayed()
    return job


def scope() -> str:
    """Returns the name under which the store keeps the Idempotency-Key of the current request, or '' without a key."""
    reservation = _reservation()
    return reservation.scope if reservation else ""


def job_recorded() -> None:
    """Says that the store has recorded this request's job under its Idempotency-Key (`JobStore.submit`)."""
    g.job_created = True


def job_created() -> None:
    """Records under the Idempotency-Key that this request's job was created. Call it right after the creation.

    Retries then return the job, without waiting for this request to end.
    """
    reservation = _reservation()
    if reservation is None:
        return
    job_recorded()
    try:
        services().idempotency.job_created(reservation)
    except StoreUnavailable as error:  # the job exists; a retry finds it once the lease of the key has ended
        log.warning("idempotency.not_noted", error=str(error))


def mark_expiring_links() -> None:
    """Marks the response of the current request as one with links that expire.

    This response is not stored under the Idempotency-Key. Every retry gets a new response with new links.
    """
    g.mark_expiring_links = True


def mark_secret() -> None:
    """Marks the response of the current request as one with a secret, which is shown once.

    The response is not stored under the Idempotency-Key. A retry finds that the object with the reserved id exists.
    """
    g.has_secret = True


def mark_replayed() -> None:
    """Marks the response of the current request as a repetition of an earlier request with the same Idempotency-Key."""
    g.is_replayed = True


def fingerprint_of(parts: Iterable[object]) -> str:
    """Returns a SHA-256 digest of JSON values. The order of the keys in an object does not change the digest."""
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
    """Stores a successful response under the request's Idempotency-Key, or frees the key after an error.

    If the response can't be stored but the request has created a job, the key leads to the job. A response that repeats
    earlier work gets the header field `Idempotent-Replayed`. Returns the response.
    """
    reservation = _reservation()
    if g.get("is_replayed"):
        response.headers[REPLAYED] = "true"
        IDEMPOTENT_REPLAYS.inc()
    if reservation is None:
        return response
    try:
        _end(reservation, response)
    except StoreUnavailable as error:  # the request has been served; its lease on the key expires without help
        log.warning("idempotency.not_kept", error=str(error))
    return response


def _end(reservation: Reservation, response: Response) -> None:
    store = services().idempotency
    if _can_be_kept(response):
        headers = {name: response.headers[name] for name in _KEPT_FIELDS if name in response.headers}
        store.keep(reservation, StoredResponse(response.status_code, headers, response.get_data(as_text=True)))
    elif g.get("job_created"):
        return
    elif 400 <= response.status_code < 500:
        store.forget(reservation)
    else:
        store.release(reservation)


def _can_be_kept(response: Response) -> bool:
    if response.status_code >= 400 or response.is_streamed or g.get("mark_expiring_links") or g.get("has_secret"):
        return False
    return len(response.get_data()) <= _MOST_KEPT_BYTES


def _again(answer: StoredResponse) -> Response:
    mark_replayed()
    return Response(answer.body, answer.status, answer.headers)


def _reservation() -> Reservation | None:
    reservation: Reservation | None = g.get("reservation")
    return reservation


def _key() -> str | None:
    """Returns the Idempotency-Key of the current request, or None if it has none or is not a POST request.

    Raises `InvalidRequest` when the header field is neither a quoted String of RFC 9651 nor a word without quotes.
    """
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
    """Returns a hash of the current request's path, query, media type and body. Equal requests have the same hash.

    For a multipart body it hashes the fields and files, since the boundary is random.
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
    """Returns a hash of the current request's JSON body that ignores whitespace and the order of fields.

    If the body is not JSON, its bytes are hashed, and its route refuses the request later.
    """
    try:
        return fingerprint_of([body_document().value])
    except (InvalidRequest, PayloadTooLarge):
        return digest_of(whole_body())
