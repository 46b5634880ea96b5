"""The span of a request holds nothing that its client made up, but for the request's id."""

from collections.abc import Mapping
from typing import Any

import pytest
from flask import Request
from werkzeug.test import create_environ

from api.edge import request_spans
from shared.tracing.origin import Trace


class Noted:
    """A span that keeps what it is told."""

    trace = Trace("1" * 32, "2" * 16, is_sampled=True)

    def __init__(self) -> None:
        self.name = ""
        self.attributes: Mapping[str, Any] = {}

    def end(self, attributes: Mapping[str, Any], **_: object) -> None:
        self.attributes = attributes


@pytest.mark.parametrize(("sent", "told"), [("POST", "POST"), ("SECRET" * 1000, "_OTHER")])
def test_a_method_that_a_client_made_up_is_named_other(monkeypatch: pytest.MonkeyPatch, sent: str, told: str) -> None:
    span = Noted()

    def begin_span(name: str, **_: object) -> Noted:
        span.name = name
        return span

    monkeypatch.setattr(request_spans, "begin_span", begin_span)
    environ = create_environ("/v1/jobs?key=SECRET", method=sent)
    request_spans.begin(Request(environ), None)
    request_spans.end(environ, None, 405, {"request_id": "req_1"})
    assert span.name == told
    assert span.attributes["http.request.method"] == told
    assert "SECRET" not in str(span.attributes)
