"""The client against real servers on loopback. What it may call is loopback only where a test says so."""

import socket
import ssl
import threading
from collections.abc import Sequence
from ipaddress import ip_network

import pytest
import trustme

from shared.addresses import Address
from shared.egress.client import BodyEnd, EgressClient, EgressResponse
from shared.egress.deadline import Deadline
from shared.egress.errors import EgressFailed, EgressRefused
from shared.egress.rules import AllowList, EgressRules
from tests.shared.egress.servers import OPEN, Behaviour, Names, answering, endless, resetting, serving

ONE_ADDRESS = EgressRules(AllowList((ip_network("127.0.0.1/32"),)), is_open=lambda: True)
AMPLE_S = 30.0  # never reached by a test that passes
BRIEF_S = 0.3  # a test waits this long for a server that never ends


def get(url: str, rules: EgressRules = OPEN, timeout_s: float = AMPLE_S, max_bytes: int = 2048) -> EgressResponse:
    return EgressClient(rules).get(url, Deadline(timeout_s), max_bytes=max_bytes)


def client_of(names: Names, rules: EgressRules = ONE_ADDRESS) -> EgressClient:
    return EgressClient(rules, resolve=names, ssl_context=ssl.create_default_context())


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def proving(name: str, authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def test_an_answer_comes_back_as_it_was_sent() -> None:
    with serving(answering("201 Created", b"made", retry_after="7")) as server:
        answer = get(server.url())
    assert (answer.status, answer.body, answer.body_end) == (201, b"made", BodyEnd.WHOLE)
    assert answer.headers["retry_after"] == "7"


def test_a_request_carries_its_host_path_headers_and_content() -> None:
    with serving(answering()) as server:
        EgressClient(OPEN).post(server.url(), {"webhook-id": "evt_1"}, b"{}", Deadline(AMPLE_S), max_bytes=0)
    head, _, content = server.heard[0].partition(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    assert lines[0] == "post /hook?order=17 http/1.1"
    assert f"host: 127.0.0.1:{server.port}" in lines
    assert "webhook-id: evt_1" in lines
    assert content == b"{}"


def test_a_compressed_body_stays_compressed() -> None:
    packed = b"\x1f\x8b\x08\x00 not even gzip"
    with serving(answering(body=packed, **{"content-encoding": "gzip"})) as server:
        assert get(server.url()).body == packed


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"])
def test_a_redirect_is_an_answer_and_is_not_followed(status: str) -> None:
    with serving(answering()) as secret, serving(answering(status, location=secret.url())) as server:
        answer = get(server.url())
        assert answer.status == int(status[:3])
    assert secret.heard == []


def test_the_address_that_was_checked_is_the_one_that_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names([["127.0.0.1"], ["127.0.0.2"]])
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("a second look-up"))
    rules = EgressRules(AllowList(hosts=frozenset({"trusted.test"})), is_open=lambda: True)
    with serving(answering(body=b"here")) as server:
        assert client_of(names, rules).get(server.url("trusted.test"), Deadline(AMPLE_S), max_bytes=9).body == b"here"
        assert b"trusted.test" in server.heard[0]
    assert names.asked == ["trusted.test"]


def test_a_name_that_turns_to_a_private_address_is_refused_at_its_next_look_up(authority: trustme.CA) -> None:
    names = Names([["127.0.0.1"], ["127.0.0.2"]])
    client = EgressClient(ONE_ADDRESS, resolve=names, ssl_context=trusting(authority))
    with serving(answering(), proving("rebound.test", authority)) as server:
        assert client.get(server.url("rebound.test", "https"), Deadline(AMPLE_S), max_bytes=9).status == 200
        with pytest.raises(EgressRefused, match=r"^rebound\.test has an address that is not public$"):
            client.get(server.url("rebound.test", "https"), Deadline(AMPLE_S), max_bytes=9)
    assert len(server.heard) == 1
    assert names.asked == ["rebound.test"] * 2


@pytest.mark.parametrize("answers", [["8.8.8.8", "10.0.0.7"], ["10.0.0.7", "8.8.8.8"], ["8.8.8.8", "::ffff:a00:7"]])
def test_one_private_address_refuses_the_whole_name(answers: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("it connected"))
    with pytest.raises(EgressRefused, match="not public"):
        client_of(Names([answers])).get("https://mixed.test/", Deadline(AMPLE_S), max_bytes=9)


def test_a_second_address_is_tried_when_the_first_refuses() -> None:
    rules = EgressRules(AllowList(hosts=frozenset({"two.test"})), OPEN.allowed_while_open, OPEN.is_open)
    with serving(answering(body=b"second")) as server:
        answer = client_of(Names([["127.0.0.2", "127.0.0.1"]]), rules).get(
            server.url("two.test"), Deadline(AMPLE_S), max_bytes=9
        )
    assert answer.body == b"second"


@pytest.mark.parametrize("max_bytes", [0, 1, 2048])
def test_a_body_is_cut_at_the_limit_and_the_sender_is_hung_up_on(max_bytes: int) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n"
    with serving(endless(head, b"x" * 65536)) as server:
        answer = get(server.url(), max_bytes=max_bytes)
        assert (answer.status, answer.body, answer.body_end) == (200, b"x" * max_bytes, BodyEnd.TOO_LARGE)
        assert server.closed.wait(AMPLE_S)


def test_a_body_that_drips_for_ever_costs_the_time_out_and_keeps_its_status() -> None:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    with serving(endless(head, b"1\r\nx\r\n", between_s=0.01)) as server:
        answer = get(server.url(), timeout_s=BRIEF_S)
        assert server.closed.wait(AMPLE_S)
    assert (answer.status, answer.body_end) == (200, BodyEnd.TOO_SLOW)


@pytest.mark.parametrize(
    "behave",
    [endless(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n", between_s=0.01), lambda connection: connection.recv(1)],
    ids=["dripping headers", "silence"],
)
def test_a_head_that_never_ends_costs_the_time_out(behave: Behaviour) -> None:
    with serving(behave) as server, pytest.raises(EgressFailed, match=f"did not answer within {BRIEF_S} s"):
        get(server.url(), timeout_s=BRIEF_S)


@pytest.mark.parametrize(
    "drop", [b"x: " + b"y" * 60000 + b"\r\n", b"HTTP/1.1 102 Processing\r\n\r\n" * 1000], ids=["headers", "interim"]
)
def test_a_head_without_end_is_hung_up_on(drop: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\n" if drop.startswith(b"x") else b""
    with serving(endless(head, drop)) as server:
        with pytest.raises(EgressFailed):
            get(server.url())
        assert server.closed.wait(AMPLE_S)


def test_a_reset_before_the_answer_is_a_failure_and_one_inside_the_body_leaves_the_status() -> None:
    with serving(resetting()) as server, pytest.raises(EgressFailed):
        get(server.url())
    with serving(resetting(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")) as server:
        answer = get(server.url())
    assert (answer.status, answer.body_end) == (200, BodyEnd.BROKEN)


@pytest.mark.parametrize("garbage", [b"", b"220 smtp.test ESMTP\r\n", b"HTTP/1.1 999999 What\r\n\r\n", b"\x00" * 200])
def test_an_answer_that_is_not_http_is_a_failure(garbage: bytes) -> None:
    with serving(lambda connection: connection.sendall(garbage)) as server, pytest.raises(EgressFailed):
        get(server.url())


def test_nobody_listening_is_a_failure_that_says_so() -> None:
    with serving(answering()) as server:
        pass
    with pytest.raises(EgressFailed, match="refused"):
        get(server.url())


def test_a_name_server_that_never_answers_costs_the_time_out() -> None:
    released = threading.Event()

    def hanging(host: str, port: int) -> Sequence[Address]:
        released.wait()
        return []

    client = EgressClient(OPEN, resolve=hanging)
    with pytest.raises(EgressFailed, match="did not answer within"):
        client.get("https://hanging.test/", Deadline(BRIEF_S), max_bytes=9)
    released.set()


def test_a_name_that_does_not_resolve_is_a_failure_that_says_so() -> None:
    def unknown(host: str, port: int) -> Sequence[Address]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(EgressFailed, match=r"gone\.test does not resolve: the name is not known"):
        EgressClient(OPEN, resolve=unknown).get("https://gone.test/", Deadline(AMPLE_S), max_bytes=9)


def test_one_deadline_spans_several_calls() -> None:
    deadline = Deadline(0)
    with pytest.raises(EgressFailed, match="did not answer within 0 s"):
        EgressClient(OPEN).get("http://127.0.0.1:1/", deadline, max_bytes=9)


def test_a_header_that_would_split_the_request_is_never_sent() -> None:
    with serving(answering()) as server, pytest.raises(EgressFailed):
        EgressClient(OPEN).post(server.url(), {"x": "a\r\nevil: b"}, b"", Deadline(AMPLE_S), max_bytes=9)
    assert b"evil" not in b"".join(server.heard)


def test_a_certificate_must_be_of_the_name_that_was_asked_for(authority: trustme.CA) -> None:
    client = EgressClient(ONE_ADDRESS, resolve=Names([["127.0.0.1"]] * 2), ssl_context=trusting(authority))
    with serving(answering(body=b"proved"), proving("hooks.test", authority)) as server:
        assert client.get(server.url("hooks.test", "https"), Deadline(AMPLE_S), max_bytes=9).body == b"proved"
        with pytest.raises(EgressFailed, match=r"other\.test failed certificate verification"):
            client.get(server.url("other.test", "https"), Deadline(AMPLE_S), max_bytes=9)


def test_a_certificate_must_be_of_an_authority_that_is_trusted(authority: trustme.CA) -> None:
    client = client_of(Names([["127.0.0.1"]]))
    with (
        serving(answering(), proving("hooks.test", authority)) as server,
        pytest.raises(EgressFailed, match="failed certificate verification"),
    ):
        client.get(server.url("hooks.test", "https"), Deadline(AMPLE_S), max_bytes=9)
    assert server.heard == []
