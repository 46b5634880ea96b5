"""Sends botocore's requests by the egress client, so that the bucket of a tenant can't lead into the own network.

Each request has a connection and a time limit of its own. So tenants share no connection pool, and a bucket that hangs
holds only the thread that asks it.
"""

import io
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from botocore.awsrequest import AWSPreparedRequest, AWSResponse, HeadersDict

from shared.egress.client import BodyEnd, EgressClient
from shared.egress.deadline import Deadline
from shared.egress.errors import EgressFailed

REQUEST_S = 30.0  # time limit of one request; its body has at most 64 MiB
_MOST_BYTES = 2 * 2**20  # of a response: a list of 500 objects with names of 1,024 bytes fits, and parsing takes memory
_MEASURED = 8  # requests
_OWN_FIELDS = {
    "host",
    "user-agent",
    "accept-encoding",
    "connection",
}  # set by the egress client; none is signed but host


class Pace:
    """Measures how long the last requests to one bucket took. Thread-safe."""

    def __init__(self) -> None:
        self._took_s: deque[float] = deque(maxlen=_MEASURED)

    def note(self, took_s: float) -> None:
        """Records the time of a request, whether it succeeded or not."""
        self._took_s.append(took_s)

    @property
    def mean_s(self) -> float:
        """Returns the mean time of the last 8 requests; 0 before the first."""
        took_s = list(self._took_s)
        return sum(took_s) / len(took_s) if took_s else 0.0


@dataclass(frozen=True, slots=True)
class EgressSession:
    """Stands in for the HTTP session of a botocore client. Raises `EgressRefused` and `EgressFailed`."""

    client: EgressClient
    timeout_s: float = REQUEST_S
    pace: Pace = field(default_factory=Pace)

    def send(self, request: AWSPreparedRequest) -> AWSResponse:
        """Sends a signed request and returns the whole response. Its time counts for `pace`."""
        began_s = time.monotonic()
        try:
            return self._send(request)
        finally:
            self.pace.note(time.monotonic() - began_s)

    def _send(self, request: AWSPreparedRequest) -> AWSResponse:
        fields = {name: _text(value) for name, value in request.headers.items() if name.lower() not in _OWN_FIELDS}
        found = self.client.send(
            request.method,
            request.url,
            fields,
            _bytes(request.body),
            Deadline(self.timeout_s),
            max_bytes=_MOST_BYTES,
        )
        if found.body_end is not BodyEnd.WHOLE:
            raise EgressFailed(f"the response of the bucket was {found.body_end}")
        return AWSResponse(request.url, found.status, HeadersDict(found.headers), _Body(found.body))

    def close(self) -> None:
        """Does nothing: every request closes its own connection."""


class _Body(io.BytesIO):
    """The body of a response, as urllib3 would give it to botocore."""

    def stream(self, amt: int = 2**16, decode_content: bool | None = None) -> Iterator[bytes]:
        while chunk := self.read(amt):
            yield chunk


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _bytes(body: Any) -> bytes | None:
    """Returns the body of a request. botocore gives bytes, text or a file."""
    if body is None or isinstance(body, bytes):
        return body
    if isinstance(body, str):
        return body.encode()
    return bytes(body.read() if hasattr(body, "read") else body)
