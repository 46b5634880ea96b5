"""What a hook may answer, and that nothing else counts as a verdict."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.delivery.content.errors import NoVerdict
from workers.delivery.content.verdict import Verdict, verdict_of


def test_an_allowance_and_what_stands_beside_it() -> None:
    assert verdict_of(b'{"decision": "allow", "score": 0.1}') == Verdict(is_allowed=True)


def test_a_refusal_says_why_if_it_likes() -> None:
    assert verdict_of(b'{"decision": "reject"}') == Verdict(is_allowed=False)
    said = b'{"decision": "reject", "code": "a.B-1:x_y", "reason": " no\\nweapons\\u0000 "}'
    assert verdict_of(said) == Verdict(is_allowed=False, code="a.B-1:x_y", reason="no weapons")


def test_a_long_reason_is_cut_and_can_always_be_stored() -> None:
    body = json.dumps({"decision": "reject", "reason": "x\ud800" * 400}).encode()
    reason = verdict_of(body).reason
    assert reason
    assert len(reason) == 300
    assert reason.encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"allow",
        b"null",
        b"[]",
        b'"allow"',
        b"{}",
        b'{"decision": "Allow"}',
        b'{"decision": true}',
        b'{"decision": ["allow"]}',
        b'{"decision": "reject", "code": "two words"}',
        b'{"decision": "reject", "code": ""}',
        b'{"decision": "reject", "code": 7}',
        b'{"decision": "reject", "reason": {}}',
        b"[" * 100_000,
        b"\xff\xfe\x00",
        b'{"decision": "allow"',
    ],
)
def test_anything_else_is_no_verdict(body: bytes) -> None:
    with pytest.raises(NoVerdict) as caught:
        verdict_of(body)
    assert caught.value.reason == "unreadable_answer"


@given(st.binary(max_size=200))
def test_no_bytes_crash_it(body: bytes) -> None:
    with contextlib.suppress(NoVerdict):
        verdict_of(body)
