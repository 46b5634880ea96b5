"""Decides when a stream of events ends and where it goes on after a break. Does no I/O."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import httpx

from gridpress.client.errors import ClientError, UnexpectedResponse, error_of, unreachable
from gridpress.client.flows import Limits
from gridpress.client.sse import Event, Parser
from shared.batches.batch import BatchStatus
from shared.jobs.states import JobStatus

MEDIA_TYPE = "text/event-stream"
SILENCE_S = 30.0  # the service sends at least a comment every ten seconds

_LAST = frozenset(
    [f"job.{status}" for status in JobStatus if status.is_final]
    + [f"batch.{status}" for status in BatchStatus if status.is_final]
)
# The service ends a stream with one of these, and the client opens it again.
_REOPEN = frozenset(("server.stopping", "stream.limit"))


@dataclass(slots=True)
class Following:
    """One stream over all its connections. `is_over` becomes true when nothing more can come.

    `after` is the id of the last event that the caller has, or None to begin with the first event. A stream of all jobs
    (`is_endless`) has no end of its own.
    """

    limits: Limits
    after: str | None = None
    is_endless: bool = False
    is_over: bool = False
    _num_failures: int = 0
    _has_ended: bool = False
    _failure: ClientError | None = None
    _parser: Parser = field(default_factory=Parser)

    @property
    def headers(self) -> Mapping[str, str]:
        """Returns the header fields of the request that opens the stream, or opens it again."""
        return {"Accept": MEDIA_TYPE} | ({"Last-Event-ID": self.after} if self.after else {})

    def opened(self, response: httpx.Response) -> None:
        """Notes the beginning of a response. The body of an error response must have been read.

        Raises `ErrorResponse` unless a further attempt may help.
        """
        self._parser, self._failure = Parser(), None
        if response.is_error:
            self._fail(error_of(response))
        elif response.status_code == httpx.codes.NO_CONTENT:
            self.is_over = True
        elif not response.headers.get("Content-Type", "").startswith(MEDIA_TYPE):
            raise UnexpectedResponse(f"{response.request.url} answered something else than a stream of events")

    def feed(self, piece: bytes) -> Iterator[Event]:
        """Yields the events in a piece of the stream, except those that concern only the connection.

        Ignores the body of an error response.
        """
        if self._failure:
            return
        for event in self._parser.feed(piece):
            self._num_failures = 0
            self.after = event.id or self.after
            if event.type.startswith("job.") or event.type.startswith("batch."):
                self._has_ended = event.type in _LAST
            if event.type not in _REOPEN and event.type != "stream.open":
                yield event

    def closed(self) -> None:
        """Notes that the service closed the connection."""
        self.is_over = self.is_over or (self._has_ended and not self.is_endless)

    def broke(self, cause: httpx.RequestError) -> None:
        """Notes that the connection failed. Raises `Unreachable` unless a further attempt may help."""
        error = unreachable(self.limits.url, cause)
        error.__cause__ = cause
        self._fail(error)

    @property
    def pause_s(self) -> float:
        """Returns the seconds to wait before the stream is opened again.

        Raises the error of the last attempt if it was the last one.
        """
        if self._failure is None:
            return self.limits.retries.first_wait_s
        wait_s = self.limits.retries.wait_s(self._num_failures - 1, self._failure)
        if wait_s is None:
            raise self._failure
        return wait_s

    def _fail(self, error: ClientError) -> None:
        self._num_failures += 1
        self._failure = error
        if not error.is_temporary:
            raise error
