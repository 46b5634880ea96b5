"""Valid HTTP requests made wrong by a seeded generator: the same seed, the same bytes. Sends nothing."""

import json
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

# What parsers, the store and JSON stumble over.
TOKENS = (
    b"\0",
    b"\xff",
    b"\xed\xa0\x80",
    b"\r",
    b"\n",
    b"\r\n",
    b"%00",
    b"%ff",
    b"%ED%A0%80",
    b"%",
    b"..",
    b"//",
    b" ",
    b"\t",
    b";",
    b",",
    b'"',
    b"\\ud800",
    b"\\u0000",
    b"-0",
    b"0-0",
    b"18446744073709551616-0",
    b"9223372036854775808",
    b"1e400",
    b"NaN",
    b"Infinity",
    b"9" * 5000,
    b"[" * 2000,
    b"9999-12-31T23:59:59-23:59",
    b"0001-01-01T00:00:00+23:59",
    b"true",
    b"null",
    b"{}",
    "٣".encode(),
    "\ufeff".encode(),
)
FIELDS = (
    b"Authorization",
    b"Content-Length",
    b"Content-Type",
    b"Cookie",
    b"Expect",
    b"Forwarded",
    b"Host",
    b"Idempotency-Key",
    b"Last-Event-ID",
    b"Origin",
    b"Prefer",
    b"Range",
    b"Transfer-Encoding",
    b"X-Request-Id",
    b"x-stainless-retry-count",
)
QUERY = (b"after", b"limit", b"status", b"created_after", b"order", b"purpose", b"format", b"tenant", b"x")
PARTS = (
    b"expires_after",
    b"expires_after[",
    b"expires_after]",
    b"expires_after[]",
    b"expires_after[seconds]",
    b"expires_after[anchor][0]",
    b"[seconds]",
    b"filename",
    b"filename[a]",
    b"purpose[a]",
    b"file",
    b"file[]",
    b"image[]",
    b"prompt",
    b"request",
    b"metadata",
    b"n",
    b"\xff",
)
_NAME = re.compile(rb'name="([^"]*)"\r\n\r\n[^\r]*')
METHODS = (b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"HEAD", b"OPTIONS", b"G\xff")
VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    -0.0,
    2**31,
    2**63,
    2**64,
    10**400,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "\0",
    "\ud800",
    "\ufffe",
    "x" * 9000,
    [],
    {},
    [[]],
    {"\ud800": "\0"},
    "9999-12-31T23:59:59-23:59",
    "18446744073709551616-0",
    "https://a.example/\ud800",
    "data:image/png;base64,AAAA",
    "file-" + "0" * 26,
)


@dataclass(frozen=True)
class Request:
    """One request, in the parts that it is written of."""

    method: bytes
    target: bytes
    fields: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    is_sized: bool = True
    query: Mapping[str, str] = field(default_factory=dict)

    def written(self) -> bytes:
        """As it goes over the wire, with the length of its body."""
        length = ((b"Content-Length", str(len(self.body)).encode()),) if self.is_sized and self.body else ()
        lines = [self.method + b" " + self.target + b" HTTP/1.1"]
        lines += [name + b": " + value for name, value in (*self.fields, *length)]
        return b"\r\n".join(lines) + b"\r\n\r\n" + self.body


Draw = random.Random
Mutation = Callable[[Request, Draw], Request]


def mutated(requests: list[Request], num: int, seed: int) -> Iterator[bytes]:
    """So many, each with one to three things wrong."""
    draw = random.Random(seed)
    for _ in range(num):
        request = draw.choice(requests)
        for _ in range(draw.randint(1, 3)):
            request = draw.choice(_MUTATIONS)(request, draw)
        yield _torn(request.written(), draw)


def _torn(data: bytes, draw: Draw) -> bytes:
    """One in eight is cut short, one in eight has some bytes flipped."""
    match draw.randrange(8):
        case 0:
            return data[: draw.randrange(len(data))]
        case 1:
            flipped = bytearray(data)
            for _ in range(draw.randint(1, 8)):
                flipped[draw.randrange(len(flipped))] ^= 1 << draw.randrange(8)
            return bytes(flipped)
    return data


def _inserted(data: bytes, draw: Draw) -> bytes:
    at = draw.randint(0, len(data))
    return data[:at] + draw.choice(TOKENS) + data[at + draw.randrange(3) :]


def _target(request: Request, draw: Draw) -> Request:
    return replace(request, target=_inserted(request.target, draw))


def _segment(request: Request, draw: Draw) -> Request:
    parts = request.target.split(b"/")
    parts[draw.randrange(len(parts))] = draw.choice(TOKENS)
    return replace(request, target=b"/".join(parts))


def _query(request: Request, draw: Draw) -> Request:
    glue = b"&" if b"?" in request.target else b"?"
    return replace(request, target=request.target + glue + draw.choice(QUERY) + b"=" + draw.choice(TOKENS))


def _method(request: Request, draw: Draw) -> Request:
    return replace(request, method=draw.choice(METHODS))


def _field_dropped(request: Request, draw: Draw) -> Request:
    fields = list(request.fields)
    fields.pop(draw.randrange(len(fields))) if fields else None
    return replace(request, fields=tuple(fields))


def _field_doubled(request: Request, draw: Draw) -> Request:
    return replace(request, fields=(*request.fields, draw.choice(request.fields))) if request.fields else request


def _field_added(request: Request, draw: Draw) -> Request:
    return replace(request, fields=(*request.fields, (draw.choice(FIELDS), draw.choice(TOKENS))))


def _field_changed(request: Request, draw: Draw) -> Request:
    fields = list(request.fields)
    at = draw.randrange(len(fields)) if fields else 0
    fields[at : at + 1] = [(name, _inserted(value, draw)) for name, value in fields[at : at + 1]]
    return replace(request, fields=tuple(fields))


def _body_bytes(request: Request, draw: Draw) -> Request:
    return replace(request, body=_inserted(request.body, draw))


def _form_part(request: Request, draw: Draw) -> Request:
    """Another name or value for a part of a form, if it is one."""
    names = list(_NAME.finditer(request.body))
    if not names:
        return _body_bytes(request, draw)
    at = draw.choice(names)
    part = b'name="' + draw.choice(PARTS) + b'"\r\n\r\n' + draw.choice(TOKENS)
    return replace(request, body=request.body[: at.start()] + part + request.body[at.end() :])


def _body_cut(request: Request, draw: Draw) -> Request:
    length = ((b"Content-Length", str(len(request.body)).encode()),)
    cut = request.body[: draw.randint(0, len(request.body))]
    return replace(request, body=cut, fields=(*request.fields, *length), is_sized=False)


def _json_value(request: Request, draw: Draw) -> Request:
    """One value of the body, however deep, is another; or a field more."""
    try:
        body = json.loads(request.body)
    except (RecursionError, ValueError):
        return _body_bytes(request, draw)
    if not isinstance(body, dict):
        return _body_bytes(request, draw)
    inner = body
    while True:
        name = draw.choice([*inner, "prompt", "metadata"])
        if isinstance(inner.get(name), dict) and inner[name] and draw.random() < 0.6:
            inner = inner[name]
            continue
        inner[name] = draw.choice(VALUES)
        return replace(request, body=json.dumps(body).encode())


_MUTATIONS: tuple[Mutation, ...] = (
    _target,
    _segment,
    _query,
    _query,
    _method,
    _field_dropped,
    _field_doubled,
    _field_added,
    _field_changed,
    _body_bytes,
    _form_part,
    _body_cut,
    _json_value,
    _json_value,
    _json_value,
)
