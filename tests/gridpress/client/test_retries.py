"""Which errors are tried again, when, and with which idempotency key."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from gridpress.client import (
    NO_RETRIES,
    AccessDenied,
    Client,
    ClientError,
    Conflict,
    ErrorResponse,
    InvalidRequest,
    LimitReached,
    NotFound,
    ServiceFailed,
    UnexpectedResponse,
    Unreachable,
    errors,
)
from tests.gridpress.client.conftest import Make

Answer = httpx.Response | Exception


def in_turn(*answers: Answer) -> tuple[Callable[[httpx.Request], httpx.Response], list[httpx.Request]]:
    """Answers one request after the other, and notes the requests."""
    left: Iterator[Answer] = iter(answers)
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        found = next(left)
        if isinstance(found, Exception):
            raise found
        return httpx.Response(found.status_code, headers=found.headers, content=found.content)

    return answer, seen


def problem(status: int, **fields: Any) -> httpx.Response:
    headers = {"Retry-After": str(fields.pop("after"))} if "after" in fields else {}
    return httpx.Response(status, json={"title": "No", "detail": "no", "code": "no", **fields}, headers=headers)


OK = httpx.Response(200, json={"fine": True})
BROKEN = httpx.ReadError("reset")


@pytest.mark.parametrize("error", [problem(429), problem(503), httpx.Response(502), httpx.Response(504), BROKEN])
def test_a_temporary_error_is_tried_again(answered: Make, pauses: list[float], error: Answer) -> None:
    answer, seen = in_turn(error, OK)
    assert answered(answer).request("GET", "/v1/stats") == {"fine": True}
    assert (len(seen), len(pauses)) == (2, 1)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422, 500, 501])
def test_any_other_error_is_raised_at_once(answered: Make, pauses: list[float], status: int) -> None:
    answer, seen = in_turn(problem(status))
    with pytest.raises(ErrorResponse):
        answered(answer).request("GET", "/v1/stats")
    assert (len(seen), pauses) == (1, [])


def test_what_the_response_says_about_retries_counts_more_than_its_status(answered: Make, pauses: list[float]) -> None:
    answer, seen = in_turn(problem(429, retryable=False))
    with pytest.raises(LimitReached):
        answered(answer).request("GET", "/v1/stats")
    answer, seen = in_turn(problem(409, code="request_in_progress", retryable=True), OK)
    answered(answer).request("GET", "/v1/stats")
    assert (len(seen), len(pauses)) == (2, 1)


def test_retry_after_is_waited_for(answered: Make, pauses: list[float]) -> None:
    answer, _ = in_turn(problem(429, after=7), problem(503, after=0), OK)
    answered(answer).request("GET", "/v1/stats")
    assert pauses == [7.0, 0.0]


def test_a_retry_after_that_is_too_long_is_raised(answered: Make, pauses: list[float]) -> None:
    answer, _ = in_turn(problem(429, after=31))
    with pytest.raises(LimitReached) as raised:
        answered(answer).request("GET", "/v1/stats")
    assert (raised.value.retry_after_s, pauses) == (31.0, [])


def test_no_retry_starts_after_the_time_limit(answered: Make, pauses: list[float]) -> None:
    answer, _ = in_turn(problem(503, after=20))
    with pytest.raises(ServiceFailed):
        answered(answer, timeout_s=10.0).request("GET", "/v1/stats")
    assert pauses == []


def test_pauses_grow_until_there_are_no_more_retries(answered: Make, pauses: list[float]) -> None:
    answer, seen = in_turn(*[BROKEN] * 5)
    with pytest.raises(Unreachable, match=r"nothing answers at http://gridpress.example \(the connection was lost\)"):
        answered(answer).request("GET", "/v1/stats")
    assert len(seen) == 5
    assert all(most / 2 <= pause <= most for pause, most in zip(pauses, (0.5, 1.0, 2.0, 4.0), strict=True))


def test_retries_can_be_switched_off(answered: Make, pauses: list[float]) -> None:
    answer, seen = in_turn(BROKEN)
    with pytest.raises(Unreachable):
        answered(answer, retries=NO_RETRIES).request("GET", "/v1/stats")
    assert (len(seen), pauses) == (1, [])


@pytest.mark.usefixtures("pauses")
def test_all_attempts_of_a_post_have_one_idempotency_key_and_each_call_its_own(answered: Make) -> None:
    answer, seen = in_turn(BROKEN, problem(503), OK, OK)
    client = answered(answer)
    for _ in range(2):
        client.request("POST", "/v1/jobs", json={"prompt": "a fox"})
    keys = [request.headers["Idempotency-Key"] for request in seen]
    assert keys[0] == keys[1] == keys[2] != keys[3]
    assert all(key.startswith('"') for key in keys)


def test_a_key_of_the_caller_is_sent_as_a_quoted_string(answered: Make) -> None:
    answer, seen = in_turn(OK)
    answered(answer).request("POST", "/v1/jobs", idempotency_key='a "b" \\')
    assert seen[0].headers["Idempotency-Key"] == '"a \\"b\\" \\\\"'


@pytest.mark.usefixtures("pauses")
def test_an_object_that_an_earlier_attempt_deleted_counts_as_deleted(answered: Make) -> None:
    answer, _ = in_turn(BROKEN, problem(404))
    answered(answer).delete("job_1")
    answer, _ = in_turn(problem(404))
    with pytest.raises(NotFound):
        answered(answer).delete("job_1")


@pytest.mark.usefixtures("pauses")
def test_a_file_is_sent_whole_by_every_attempt(answered: Make) -> None:
    bodies: list[bytes] = []
    record = {"id": "file-1", "object": "file", "bytes": 3, "created_at": 1, "expires_at": None, "filename": "a",
              "purpose": "vision", "status": "processed", "status_details": None}  # fmt: skip

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(request.content)
        return problem(503) if len(bodies) == 1 else httpx.Response(200, json=record)

    assert answered(answer).files.upload(b"abc").id == "file-1"
    assert [b"abc" in body for body in bodies] == [True, True]


_KINDS = {400: InvalidRequest, 413: InvalidRequest, 418: InvalidRequest, 401: AccessDenied, 403: AccessDenied,
          404: NotFound, 409: Conflict, 429: LimitReached, 500: ServiceFailed, 503: ServiceFailed}  # fmt: skip


@pytest.mark.parametrize(("status", "kind"), _KINDS.items())
def test_each_status_has_its_error(answered: Make, status: int, kind: type[ErrorResponse]) -> None:
    errors = [{"field": "size", "message": "size is wrong"}, {"field": None, "message": "and more"}]
    answer, _ = in_turn(problem(status, detail="size is wrong", code="bad", errors=errors))
    with pytest.raises(kind, match=r"^size is wrong$") as raised:
        answered(answer, retries=NO_RETRIES).request("GET", "/v1/stats")
    error = raised.value
    assert type(error) is kind
    assert (error.status, error.code, error.title) == (status, "bad", "No")
    assert [(each.field, each.message) for each in error.fields] == [("size", "size is wrong"), (None, "and more")]


def test_errors_in_the_format_of_openai_are_read_too(answered: Make) -> None:
    said = {"error": {"message": "no such file", "type": "x", "param": "input_file_id", "code": "gone"}}
    answer, _ = in_turn(httpx.Response(400, json=said))
    with pytest.raises(InvalidRequest, match="no such file") as raised:
        answered(answer).request("GET", "/v1/batches")
    assert (raised.value.code, raised.value.fields[0].field) == ("gone", "input_file_id")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'{"error": "no"}', b"\xff"])
def test_an_error_with_any_other_body_is_still_an_error(answered: Make, body: bytes) -> None:
    answer, _ = in_turn(httpx.Response(400, content=body))
    with pytest.raises(InvalidRequest, match="answered 400 Bad Request"):
        answered(answer).request("GET", "/v1/stats")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"{}", b"\xff"])
def test_a_response_of_another_service_is_named_as_such(answered: Make, body: bytes) -> None:
    answer, _ = in_turn(httpx.Response(200, content=body))
    with pytest.raises(UnexpectedResponse, match=r"http://gridpress.example does not answer like Gridpress"):
        answered(answer).job("job_1")


def test_an_address_that_is_no_url_is_refused_at_once() -> None:
    for text in ("ftp://a", "http://", "http://a b", "http://a:99999", "http://a?b"):
        with pytest.raises(ValueError, match="the URL"):
            Client(text)


def test_every_error_is_a_client_error() -> None:
    classes = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, Exception)]
    assert all(issubclass(each, ClientError) for each in classes)
    assert all(each.__name__ in (errors.__doc__ or "") for each in classes)
