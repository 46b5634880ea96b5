"""Validates the URL and headers of a webhook receiver before anything is sent to it."""

import re
from collections.abc import Iterator, Mapping

from shared.egress.errors import EgressRefused
from shared.egress.rules import EgressRules
from shared.errors import InvalidRequest

_MAX_HEADERS = 20
_MAX_VALUE_CHARS = 1024
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")  # a token of RFC 9110
_VALUE = re.compile(r"[!-~]([ -~]*[!-~])?|")
# Headers that belong to the connection, or that Gridpress sets itself.
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
    """Validates the URL of a webhook receiver without resolving its host name. The addresses of the name are checked at
    each webhook attempt. Raises `InvalidRequest`.
    """
    try:
        rules.target(url)
    except EgressRefused as error:
        raise InvalidRequest(f"{field} can't be used: {error}", field) from error


def check_own_receiver(url: str | None, field: str, beside: Mapping[str, object], rules: EgressRules) -> None:
    """Validates the webhook fields of a single job or batch, as `own_receiver_flaws` does. Raises `InvalidRequest`."""
    for flaw in own_receiver_flaws(url, field, beside, rules):
        raise flaw


def own_receiver_flaws(
    url: str | None, field: str, beside: Mapping[str, object], rules: EgressRules
) -> Iterator[InvalidRequest]:
    """Yields the errors of the webhook fields of a single job or batch. `field` is the name of the URL's field.

    `beside` has the fields that are allowed only together with a URL.
    """
    if url is None:
        names = [name for name, value in beside.items() if value is not None]
        yield from (InvalidRequest(f"{name} needs {field}", name) for name in names)
        return
    try:
        check_receiver(url, field, rules)
    except InvalidRequest as error:
        yield error


def check_headers(headers: Mapping[str, str]) -> None:
    """Validates the headers that are sent with each webhook. Raises `InvalidRequest` with a message that contains no
    values.
    """
    if len(headers) > _MAX_HEADERS:
        raise InvalidRequest(f"headers must have at most {_MAX_HEADERS} entries", "headers")
    if len({name.lower() for name in headers}) < len(headers):
        raise InvalidRequest("headers contain the same name twice", "headers")
    for name, value in headers.items():
        field = f"headers.{name}"
        if not _NAME.fullmatch(name):
            raise InvalidRequest("headers contain an invalid header name", "headers")
        if name.lower() in _OURS or name.lower().startswith(_OUR_PREFIXES):
            raise InvalidRequest(f"{field} can't be set: the service sets this header itself", field)
        if len(value) > _MAX_VALUE_CHARS or not _VALUE.fullmatch(value):
            raise InvalidRequest(f"{field} must be at most {_MAX_VALUE_CHARS} printable ASCII characters", field)
