"""Where a stream goes on after a break, when it ends, and how its bytes become events."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridpress.client import NotFound, ServiceFailed, UnexpectedResponse, Unreachable
from gridpress.client.sse import Event, Parser
from tests.gridpress.client.conftest import Make

STORY = [("1-0", "job.queued"), ("2-0", "render.stage"), ("3-0", "job.succeeded")]


def block(number: int) -> str:
    event_id, kind = STORY[number]
    return f'id: {event_id}\nevent: {kind}\ndata: {{"n": {number}}}\n\n'


class Pieces(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The body of a stream in pieces, which may break off."""

    def __init__(self, *pieces: str | Exception) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece.encode()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece


class Connections:
    """Answers each connection by the next of `makes`, and notes from where it resumes."""

    def __init__(self, *makes: Callable[[], httpx.Response]) -> None:
        self._makes = iter(makes)
        self.resumed: list[str | None] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.resumed.append(request.headers.get("Last-Event-ID"))
        return next(self._makes)()


def stream(*pieces: str | Exception) -> Callable[[], httpx.Response]:
    return lambda: httpx.Response(200, headers={"Content-Type": "text/event-stream"}, stream=Pieces(*pieces))


def status(code: int, **fields: Any) -> Callable[[], httpx.Response]:
    return lambda: httpx.Response(code, json={"detail": "no", "code": "no", **fields})


def kinds(events: Iterator[Event]) -> list[str]:
    return [event.type for event in events]


BREAKS = [
    stream(block(0), httpx.ReadError("reset")),
    stream(block(0), block(1)[:20], httpx.RemoteProtocolError("closed")),
    stream(block(0), httpx.ReadTimeout("silence")),
    stream(block(0)),
    stream(block(0), "event: server.stopping\ndata: {}\n\n"),
    stream(block(0), "event: stream.limit\ndata: {}\n\n"),
]


@pytest.mark.usefixtures("pauses")
@pytest.mark.parametrize("broken", BREAKS)
def test_a_stream_goes_on_after_the_last_event(answered: Make, broken: Callable[[], httpx.Response]) -> None:
    connections = Connections(broken, status(503), stream(": open\n\n", block(1), ":\n\n", block(2)))
    events = list(answered(connections).stream("job_1"))
    assert [(event.id, event.type) for event in events] == STORY
    assert [event.data for event in events] == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert connections.resumed == [None, "1-0", "1-0"]


@pytest.mark.usefixtures("pauses")
def test_an_event_without_an_id_is_no_point_to_resume_from(answered: Make) -> None:
    progress = 'event: render.progress\ndata: {"done": 1}\n\n'
    connections = Connections(stream(block(0), progress), stream(progress, block(1), block(2)))
    assert kinds(answered(connections).stream("job_1")).count("render.progress") == 2
    assert connections.resumed == [None, "1-0"]


@pytest.mark.usefixtures("pauses")
def test_a_stream_that_broke_after_the_end_is_not_endless(answered: Make) -> None:
    connections = Connections(stream(block(2), httpx.ReadError("reset")), lambda: httpx.Response(204))
    assert kinds(answered(connections).stream("job_1")) == ["job.succeeded"]


@pytest.mark.usefixtures("pauses")
def test_a_job_that_is_retried_has_a_further_end(answered: Make) -> None:
    retried = "id: 4-0\nevent: job.retried\ndata: {}\n\n"
    connections = Connections(stream(block(2), retried), stream(block(2)))
    assert kinds(answered(connections).stream("job_1")) == ["job.succeeded", "job.retried", "job.succeeded"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (status(404), NotFound),
        (status(503, retryable=False), ServiceFailed),
        (lambda: httpx.Response(200, html="<p>"), UnexpectedResponse),
        (stream("data: no JSON\n\n"), UnexpectedResponse),
    ],
)
def test_what_no_retry_mends_is_raised(
    answered: Make, pauses: list[float], answer: Callable[[], httpx.Response], error: type[Exception]
) -> None:
    with pytest.raises(error):
        list(answered(Connections(answer)).stream("job_1"))
    assert pauses == []


def test_a_service_that_stays_away_is_reported(answered: Make, pauses: list[float]) -> None:
    connections = Connections(stream(block(0)), *[stream(httpx.ConnectError("refused"))] * 5)
    events = answered(connections).stream("job_1")
    assert next(events).type == "job.queued"
    with pytest.raises(Unreachable):
        list(events)
    assert len(connections.resumed) == 6


@given(data=st.data(), end=st.sampled_from(["\n", "\r\n"]))
def test_an_event_may_arrive_in_any_pieces(data: st.DataObject, end: str) -> None:
    text = ': open\n\nid: 1-0\nevent: a\ndata: {"text":\ndata: "\u2028 fuchs"}\n\nretry: 3\n\n:\n\ndata:{}\n\n'
    whole = text.replace("\n", end).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=9)))
    parser, found = Parser(), []
    for start, stop in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        found += parser.feed(whole[start:stop])
    assert found == [Event("a", {"text": "\u2028 fuchs"}, "1-0"), Event("message", {})]
