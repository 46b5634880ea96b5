"""Shapes of request, as bytes: what a server has to answer to each, and whether the connection may go on after it.

A shape whose end could be told in two ways must end its connection: what stands behind it could be a request of
somebody else, behind a proxy that reads it otherwise.
"""

from collections.abc import Iterator
from dataclasses import dataclass

HOST = b"Host: localhost\r\n"
JSON = b"Content-Type: application/json\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
# A body that the route refuses with 400 `invalid_request` once it was read as a whole, so nothing is stored.
BODY, CHUNKS = b"{}", b"2\r\n{}\r\n0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Shape:
    """`kept`: the connection serves the request that follows."""

    name: str
    sent: bytes
    status: int
    kept: bool

    def __str__(self) -> str:
        return self.name.replace(" ", "-")


def get(fields: bytes = HOST, *, target: bytes = b"/healthz", method: bytes = b"GET", version: bytes = b"1.1") -> bytes:
    return method + b" " + target + b" HTTP/" + version + b"\r\n" + fields + b"\r\n"


def post(fields: bytes, body: bytes = b"", *, version: bytes = b"1.1") -> bytes:
    return get(HOST + JSON + fields, target=b"/v1/jobs", method=b"POST", version=version) + body


def length(text: bytes) -> bytes:
    return b"Content-Length: " + text + b"\r\n"


def all_shapes() -> list[Shape]:
    """Every one of them."""
    return [*_lines(), *_targets(), *_fields(), *_hosts(), *_lengths(), *_codings(), *_chunks(), *_expectations()]


def _bad(name: str, sent: bytes, status: int = 400) -> Shape:
    return Shape(name, sent, status, kept=False)


def _good(name: str, sent: bytes, status: int = 200) -> Shape:
    return Shape(name, sent, status, kept=True)


def _lines() -> Iterator[Shape]:
    yield _good("plain", get())
    yield _good("an empty line before", b"\r\n" + get())
    yield _bad("two empty lines before", b"\r\n\r\n" + get())
    yield _bad("a bare LF before", b"\n" + get())
    yield _bad("HTTP/0.9", b"GET /healthz\r\n\r\n")
    yield _bad("no version", b"GET /healthz\r\n" + HOST + b"\r\n")
    for version in (b"9.1", b"2.0", b"0.9", b"one", b"1", b"1.10", b"01.1", b"1.1 ", b"1,1", b""):
        yield _bad(f"version {version.decode()}", get(version=version))
    yield _good("version 1.2", get(version=b"1.2"))
    yield _bad("version in small letters", b"GET /healthz http/1.1\r\n" + HOST + b"\r\n")
    yield Shape("HTTP/1.0", get(version=b"1.0"), 200, kept=False)
    yield Shape("HTTP/1.0 without a host", get(b"", version=b"1.0"), 403, kept=False)
    yield Shape("HTTP/1.0 kept alive", get(HOST + b"Connection: keep-alive\r\n", version=b"1.0"), 200, kept=True)
    yield Shape("close", get(HOST + b"Connection: close\r\n"), 200, kept=False)
    yield _bad("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    yield _bad("TLS", b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n")
    yield _bad("the PROXY protocol", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + get())
    yield _bad("the PROXY protocol 2", b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + b"\x01" * 12 + get())
    yield _bad("two spaces", b"GET  /healthz HTTP/1.1\r\n" + HOST + b"\r\n")
    yield _bad("a tab", b"GET\t/healthz\tHTTP/1.1\r\n" + HOST + b"\r\n")
    yield _bad("a leading space", b" " + get())
    yield _bad("a bare LF ends the line", b"GET /healthz HTTP/1.1\n" + HOST + b"\r\n")
    yield _bad("a bare CR ends the line", b"GET /healthz HTTP/1.1\r" + HOST + b"\r\n")
    for method in (b"get", b"G", b"GE\x00T", b"G(T", b"GET\xff", b"A" * 40, b""):
        yield _bad(f"method {method[:8]!r}", get(method=method))
    for method in (b"FOO", b"TRACE", b"PROPFIND", b"DELETE", b"PATCH"):
        yield _good(f"method {method.decode()}", get(method=method), 405)
    yield _good("HEAD", get(method=b"HEAD"))
    yield _good("OPTIONS", get(method=b"OPTIONS"))
    yield _bad("CONNECT", get(method=b"CONNECT", target=b"localhost:80"), 404)


def _targets() -> Iterator[Shape]:
    yield _good("absolute form", get(target=b"http://localhost/healthz"))
    yield _bad("absolute form of another host", get(target=b"http://evil.example/healthz"))
    yield _bad("absolute form of another scheme", get(target=b"ftp://localhost/healthz"))
    yield _bad("absolute form with a user", get(target=b"http://a@localhost/healthz"))
    yield _bad("absolute form with half an address", get(target=b"http://[::1/healthz"))
    yield _good("asterisk form", get(target=b"*", method=b"OPTIONS"), 404)
    yield _bad("asterisk with GET", get(target=b"*"))
    yield _bad("authority form with GET", get(target=b"localhost:80"))
    yield _bad("no slash", get(target=b"healthz"))
    yield _bad("a fragment", get(target=b"/healthz#a"))
    yield _bad("raw UTF-8", get(target=b"/healthz?a=\xc3\xa9"))
    yield _bad("a raw byte that is not UTF-8", get(target=b"/v1/jobs?after=\xff"))
    yield _bad("NUL in the target", get(target=b"/healthz\x00"))
    yield _bad("DEL in the target", get(target=b"/healthz\x7f"))
    yield _good("two slashes", get(target=b"//healthz"))  # for the router the same as one
    yield _good("NUL in percent", get(target=b"/healthz%00"), 404)
    yield _good("CR and LF in percent", get(target=b"/healthz%0d%0a"), 404)
    yield _good("a byte that is not UTF-8 in percent", get(target=b"/healthz?a=%ff"))
    yield _good("half a percent", get(target=b"/healthz?a=%"))
    yield _good("dots", get(target=b"/v1/../healthz"), 404)
    yield _good("a long line", get(target=b"/healthz?" + b"a" * 8_000))
    yield _bad("too long a line", get(target=b"/healthz?" + b"a" * 9_000), 414)
    yield _bad("a line without an end", b"GET /" + b"a" * 100_000, 414)


def _fields() -> Iterator[Shape]:
    for name, byte in (
        ("CR", b"\r"),
        ("NUL", b"\0"),
        ("LF", b"\n"),
        ("BEL", b"\a"),
        ("DEL", b"\x7f"),
        ("ESC", b"\x1b"),
    ):
        yield _bad(f"{name} in a value", get(HOST + b"X: a" + byte + b"b\r\n"))
        yield _bad(f"{name} in a name", get(HOST + b"X" + byte + b"Y: a\r\n"))
    yield _bad("a bare CR hides chunks", post(b"X: a\rTransfer-Encoding: chunked\r\n", CHUNKS))
    yield _bad("a bare LF hides chunks", post(b"X: a\nTransfer-Encoding: chunked\r\n", CHUNKS))
    yield _bad("a bare LF ends the head", b"GET /healthz HTTP/1.1\r\n" + HOST + b"\n")
    yield _bad("a folded line", get(HOST + b"X: a\r\n b\r\n"))
    yield _bad("a line folded by a tab", get(HOST + b"X: a\r\n\tb\r\n"))
    yield _bad("a folded first line", get(b" X: a\r\n" + HOST))
    yield _bad("a space before the colon", get(b"Host : localhost\r\n"))
    yield _bad("a tab before the colon", get(b"Host\t: localhost\r\n"))
    yield _bad("a space in a name", get(HOST + b"X Y: a\r\n"))
    yield _bad("no name", get(HOST + b": a\r\n"))
    yield _bad("no colon", get(HOST + b"X\r\n"))
    yield _bad("a name in UTF-8", get(HOST + "é: a\r\n".encode()))
    yield _good("a value in UTF-8", get(HOST + "X: é\r\n".encode()))
    yield _good("an empty value", get(HOST + b"X:\r\n"))
    yield _good("spaces around a value", get(HOST + b"X: \t a \t \r\n"))
    yield _good(
        "a name with an underscore", get(HOST + b"X_Y: a\r\nContent_Length: 5\r\nTransfer_Encoding: chunked\r\n")
    )
    yield _good("a path that a proxy would set", get(HOST + b"SCRIPT_NAME: /v1\r\nPATH_INFO: /\r\n"))
    yield _good("a proxy before an API without keys", get(HOST + b"X-Forwarded-Proto: https\r\n"), 403)
    yield _good("ninety-nine fields", get(HOST + b"X: a\r\n" * 99))
    yield _bad("two hundred fields", get(HOST + b"X: a\r\n" * 200), 431)
    yield _good("a large field", get(HOST + b"X: " + b"a" * 8_000 + b"\r\n"))
    yield _bad("too large a field", get(HOST + b"X: " + b"a" * 9_000 + b"\r\n"), 431)
    yield _bad("too large a head", get(HOST + (b"X: " + b"a" * 8_000 + b"\r\n") * 12), 431)
    yield _bad("a field without an end", b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 200_000, 431)


def _hosts() -> Iterator[Shape]:
    yield _bad("no host", get(b""))
    yield _bad("two hosts", get(HOST + HOST))
    yield _bad("two other hosts", get(HOST + b"Host: evil.example\r\n"))
    yield _good("a port", get(b"Host: localhost:8000\r\n"))
    yield _good("IPv6", get(b"Host: [::1]:8000\r\n"))
    yield _good("another host", get(b"Host: evil.example\r\n"), 403)
    yield _good("an empty host", get(b"Host:\r\n"), 403)
    for host in (
        b"local host",
        b"local\0host",
        b"localhost/a",
        b"localhost\xff",
        b"a@localhost",
        b"[::1",
        b"localhost:x",
    ):
        yield _bad(f"host {host!r}", get(b"Host: " + host + b"\r\n"))
    yield _bad("hosts in a list", get(b"Host: localhost, evil.example\r\n"))


def _lengths() -> Iterator[Shape]:
    yield _good("a length", post(length(b"2"), BODY), 400)
    yield _good("a length with a zero before", post(length(b"02"), BODY), 400)
    yield _good("no body", post(b""), 400)
    for text in (b"+2", b"-2", b"2_0", b"0x2", b"2.0", b"2,2", b"2 2", b"many", b"", b"\xb2", b"9" * 5_000):
        yield _bad(f"length {text[:10]!r}", post(length(text), BODY))
    yield _bad("two lengths", post(length(b"2") * 2, BODY))
    yield _bad("two other lengths", post(length(b"2") + length(b"9"), BODY))
    yield _bad("a length and chunks", post(length(b"2") + CHUNKED, CHUNKS))
    yield _bad("chunks and a length", post(CHUNKED + length(b"14"), CHUNKS))
    yield _bad("more than there is memory", post(length(b"9" * 18), BODY), 413)
    yield _good("a body with GET", get(HOST + length(b"2")) + BODY)
    yield Shape("a large body with GET", get(HOST + length(b"90000")) + b" " * 90_000, 200, kept=False)
    yield _bad("a body that ends early", post(length(b"9000"), BODY), 408)


def _codings() -> Iterator[Shape]:
    yield _good("chunks", post(CHUNKED, CHUNKS), 400)
    yield _good("chunks in capitals", post(b"transfer-encoding: CHUNKED\r\n", CHUNKS), 400)
    yield _bad("chunks on HTTP/1.0", post(CHUNKED, CHUNKS, version=b"1.0"))
    yield _bad("chunks twice", post(CHUNKED * 2, CHUNKS))
    for coding in (
        b"gzip, chunked",
        b"chunked, gzip",
        b"identity, chunked",
        b"chunked, chunked",
        b"chunked,",
        b"",
        b",",
    ):
        yield _bad(f"coding {coding!r}", post(b"Transfer-Encoding: " + coding + b"\r\n", CHUNKS))
    for coding in (b"gzip", b"identity", b"xchunked", b'"chunked"', b"chunked;a=b", b"x chunked"):
        yield _bad(f"coding {coding!r}", post(b"Transfer-Encoding: " + coding + b"\r\n", CHUNKS), 501)
    yield _bad("a vertical tab before chunked", post(b"Transfer-Encoding: \x0bchunked\r\n", CHUNKS))


def _chunks() -> Iterator[Shape]:
    good = {
        "an extension": b"2;a=b\r\n{}\r\n0\r\n\r\n",
        "a quoted extension": b'2;a="b;c"\r\n{}\r\n0\r\n\r\n',
        "zeros before a size": b"0002\r\n{}\r\n0\r\n\r\n",
        "a trailer": b"2\r\n{}\r\n0\r\nX: a\r\n\r\n",
        "two chunks": b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
    }
    bad = {
        "no size": b"\r\n{}\r\n0\r\n\r\n",
        "no hex": b"zz\r\n{}\r\n0\r\n\r\n",
        "a size with a sign": b"+2\r\n{}\r\n0\r\n\r\n",
        "a size below zero": b"-2\r\n{}\r\n0\r\n\r\n",
        "a size with 0x": b"0x2\r\n{}\r\n0\r\n\r\n",
        "a size with an underscore": b"0_2\r\n{}\r\n0\r\n\r\n",
        "a space before a size": b" 2\r\n{}\r\n0\r\n\r\n",
        "a space after a size": b"2 \r\n{}\r\n0\r\n\r\n",
        "a size over 64 bits": b"1" + b"0" * 16 + b"2\r\n{}\r\n0\r\n\r\n",
        "a size that is most of 64 bits": b"f" * 16 + b"\r\n{}\r\n",
        "no end of a chunk": b"2\r\n{}0\r\n\r\n",
        "LF ends a size": b"2\n{}\r\n0\r\n\r\n",
        "LF ends a chunk": b"2\r\n{}\n0\r\n\r\n",
        "LF in an extension": b"2;a\nb\r\n{}\r\n0\r\n\r\n",
        "CR in an extension": b"2;a\rb\r\n{}\r\n0\r\n\r\n",
        "NUL in an extension": b"2;a\0b\r\n{}\r\n0\r\n\r\n",
        "an extension without an end": b"2;" + b"a" * 100_000,
        "a length in the trailers": b"2\r\n{}\r\n0\r\nContent-Length: 2\r\n\r\n",
        "a coding in the trailers": b"2\r\n{}\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "a host in the trailers": b"2\r\n{}\r\n0\r\nHost: evil.example\r\n\r\n",
        "a key in the trailers": b"2\r\n{}\r\n0\r\nAuthorization: Bearer a\r\n\r\n",
        "LF ends a trailer": b"2\r\n{}\r\n0\r\nX: a\n\r\n",
        "a folded trailer": b"2\r\n{}\r\n0\r\nX: a\r\n b\r\n\r\n",
        "a thousand trailers": b"2\r\n{}\r\n0\r\n" + b"X: a\r\n" * 1_000 + b"\r\n",
        "tiny chunks without end": b"1\r\n \r\n" * 20_000,
    }
    for name, chunks in good.items():
        yield _good(name, post(CHUNKED, chunks), 400)
    for name, chunks in bad.items():
        yield _bad(name, post(CHUNKED, chunks))
    yield _bad("chunks that end early", post(CHUNKED, b"9000\r\n{}"), 408)


def _expectations() -> Iterator[Shape]:
    yield _bad("another expectation", post(b"Expect: a-miracle\r\n" + length(b"2"), BODY), 417)
    yield _good("an expectation without a body", get(HOST + b"Expect: 100-continue\r\n"))
    yield _good(
        "an upgrade", get(HOST + b"Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n")
    )
    yield _good("a web socket", get(HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n"), 400)
