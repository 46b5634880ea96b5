"""Checks the URL and headers of a webhook receiver before anything is sent to it."""

import re
from collections.abc import Mapping

from shared.egress.errors import EgressRefused
from shared.egress.rules import EgressRules
from shared.errors import InvalidRequest

_MAX_HEADERS = 20
_MAX_VALUE_CHARS = 1024
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")  # a token of RFC 9110
_VALUE = re.compile(r"[!-~]([ -~]*[!-~])?|")
# What a connection is made of, and what we say ourselves.
_OURS = frozenset(
    (
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
    )
)
_OUR_PREFIXES = ("webhook-", "proxy-")


def check_receiver(url: str, field: str, rules: EgressRules) -> None:
    """Checks a receiver's URL without resolving its name; delivery checks the addresses. Raises `InvalidRequest`."""
    try:
        rules.target(url)
    except EgressRefused as error:
        raise InvalidRequest(f"{field} can't be used: {error}", field) from error


def check_own_receiver(url: str | None, field: str, beside: Mapping[str, object], rules: EgressRules) -> None:
    """Checks the webhook fields of one request: those in `beside` need the URL. Raises `InvalidRequest`."""
    if url is not None:
        check_receiver(url, field, rules)
        return
    for name, value in beside.items():
        if value is not None:
            raise InvalidRequest(f"{name} is of no use without {field}", name)


def check_headers(headers: Mapping[str, str]) -> None:
    """Checks the header fields to be sent with each webhook. Raises `InvalidRequest` without quoting a value."""
    if len(headers) > _MAX_HEADERS:
        raise InvalidRequest(f"headers can be {_MAX_HEADERS} at most", "headers")
    if len({name.lower() for name in headers}) < len(headers):
        raise InvalidRequest("headers name one field twice", "headers")
    for name, value in headers.items():
        field = f"headers.{name}"
        if not _NAME.fullmatch(name):
            raise InvalidRequest("headers has a name that no header field can have", "headers")
        if name.lower() in _OURS or name.lower().startswith(_OUR_PREFIXES):
            raise InvalidRequest(f"{field} is not yours to set", field)
        if len(value) > _MAX_VALUE_CHARS or not _VALUE.fullmatch(value):
            raise InvalidRequest(f"{field} must be at most {_MAX_VALUE_CHARS} printable ASCII characters", field)
