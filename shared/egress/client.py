"""Sends one HTTP request to a URL that a caller gave. Follows no redirects, reuses no connections, and does not decode
bodies.
"""

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import httpcore
import httpx
import structlog

from shared.egress.connect import CheckedNetwork, Resolve, look_up
from shared.egress.deadline import Deadline
from shared.egress.errors import NO_DETAILS, EgressFailed
from shared.egress.rules import EgressRules, Target

log = structlog.get_logger()

# Limit for headers, interim responses and chunk framing, far above what a normal server sends. A malicious server could
# otherwise fill memory: each byte of it takes about 40 bytes.
_MAX_OVERHEAD_BYTES = 64 * 1024
_HEADERS = {"User-Agent": "Gridpress/1", "Accept-Encoding": "identity", "Connection": "close"}


class BodyEnd(StrEnum):
    """The way in which reading a response body ended: with the whole body, at the size limit, at the deadline, or
    because the connection broke.
    """

    WHOLE = "whole"
    TOO_LARGE = "too large"
    TOO_SLOW = "too slow"
    BROKEN = "broken off"


@dataclass(frozen=True, slots=True)
class EgressResponse:
    """The response of a URL that a caller gave. Header names are in lower case. `body` has at most `max_bytes` bytes,
    and is not decoded.

    `may_show_details` says whether the caller may see details of the response.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    body_end: BodyEnd
    may_show_details: bool = True


@dataclass(frozen=True, slots=True)
class _Call:
    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None


class EgressClient:
    """Sends requests to URLs of callers. All methods are thread-safe and raise `EgressRefused` and `EgressFailed`.

    Each request opens, checks and closes its own connection, so that tenants never share one.
    """

    def __init__(
        self, rules: EgressRules, *, resolve: Resolve = look_up, ssl_context: ssl.SSLContext | None = None
    ) -> None:
        self._rules = rules
        self._resolve = resolve
        self._ssl_context = ssl_context or httpx.create_ssl_context()  # trusts SSL_CERT_FILE, else certifi's CAs

    def with_resolver(self, resolve: Resolve) -> "EgressClient":
        """Returns a client with the same egress rules. The new client resolves names with the function `resolve`."""
        return EgressClient(self._rules, resolve=resolve, ssl_context=self._ssl_context)

    def get(self, url: str, deadline: Deadline, *, max_bytes: int) -> EgressResponse:
        """Sends a GET request that asks for a body without content encoding. Reads at most `max_bytes` of the response
        body.
        """
        return self._send(_Call("GET", url), deadline, max_bytes)

    def post(
        self, url: str, headers: Mapping[str, str], content: bytes, deadline: Deadline, *, max_bytes: int
    ) -> EgressResponse:
        """Sends `content` in a POST request. Reads at most `max_bytes` of the response body."""
        return self._send(_Call("POST", url, headers, content), deadline, max_bytes)

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None,
        deadline: Deadline,
        *,
        max_bytes: int,
    ) -> EgressResponse:
        """Sends a request of any HTTP method. Reads at most `max_bytes` of the response body."""
        return self._send(_Call(method, url, headers, content), deadline, max_bytes)

    def _send(self, call: _Call, deadline: Deadline, max_bytes: int) -> EgressResponse:
        target = self._rules.target(call.url)
        network = CheckedNetwork(self._rules, self._resolve, deadline, max_bytes + _MAX_OVERHEAD_BYTES)
        address = httpcore.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)
        sent = {"Host": _authority(target), **_HEADERS, **call.headers}
        connection = httpcore.HTTPConnection(address.origin, self._ssl_context, network_backend=network)
        try:
            with connection.stream(call.method, address, headers=list(sent.items()), content=call.content) as response:
                body, body_end = _read(response, max_bytes)
        except (OSError, httpcore.NetworkError, httpcore.ProtocolError) as error:
            what = _what_happened(error, target, deadline)
            if not self._rules.allows_details(network.addresses):
                log.info("egress.failed", host=target.host, port=target.port, error=what)
                what = NO_DETAILS
            raise EgressFailed(f"{target.host} {what}") from error
        finally:
            connection.close()
        received = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
        return EgressResponse(response.status, received, body, body_end, self._rules.allows_details(network.addresses))


def _authority(target: Target) -> str:
    host = f"[{target.host}]" if ":" in target.host else target.host
    return host if target.port == (443 if target.scheme == "https" else 80) else f"{host}:{target.port}"


def _read(response: httpcore.Response, max_bytes: int) -> tuple[bytes, BodyEnd]:
    """Reads at most `max_bytes` of a response body. Returns the bytes, and how the reading ended.

    An error while reading is returned, not raised, because the response status is known already.
    """
    body = bytearray()
    try:
        for chunk in response.iter_stream():
            body += chunk
            if len(body) > max_bytes:
                return bytes(body[:max_bytes]), BodyEnd.TOO_LARGE
    except TimeoutError:
        return bytes(body), BodyEnd.TOO_SLOW
    except (OSError, httpcore.NetworkError, httpcore.ProtocolError):
        return bytes(body), BodyEnd.BROKEN
    return bytes(body), BodyEnd.WHOLE


_DNS = {
    socket.EAI_NONAME: "the name is not known",
    socket.EAI_AGAIN: "the name server does not answer",
}


def _what_happened(error: Exception, target: Target, deadline: Deadline) -> str:
    match error:
        case TimeoutError():
            return f"did not answer within {deadline.timeout_s:g} s"
        case socket.gaierror():
            return f"does not resolve: {_DNS.get(error.errno or 0, 'the look-up failed')}"
        case ssl.SSLCertVerificationError():
            return f"failed certificate verification: {error.verify_message}"
        case ssl.SSLError():
            return f"does not speak TLS on port {target.port}: {error.reason}"
        case OSError():
            return f"failed: {error.strerror or error}"
    return f"did not answer in HTTP on port {target.port}"
