"""What a record says of its request is read back as it was written; anything else is nothing."""

import pytest

from shared.tracing.origin import Origin, Trace, log_ids

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize("flags", ["00", "01"])
def test_a_traceparent_is_read_and_written(flags: str) -> None:
    text = f"00-{TRACE_ID}-{SPAN_ID}-{flags}"
    found = Trace.parse(text)
    assert found == Trace(TRACE_ID, SPAN_ID, is_sampled=flags == "01")
    assert found.traceparent == text


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    assert Trace.parse(f"01-{TRACE_ID}-{SPAN_ID}-03-more") == Trace(TRACE_ID, SPAN_ID, is_sampled=True)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "nothing",
        f"00-{TRACE_ID}-{SPAN_ID}",
        f"00-{TRACE_ID}-{SPAN_ID}-01-more",
        f"ff-{TRACE_ID}-{SPAN_ID}-01",
        f"00-{'0' * 32}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"00-{TRACE_ID.upper()}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{SPAN_ID}-01\n",
        f"00-{TRACE_ID}-{SPAN_ID}-01" + "-x" * 10_000,
    ],
)
def test_an_ill_formed_traceparent_is_none(text: str | None) -> None:
    assert Trace.parse(text) is None


@pytest.mark.parametrize("trace", [None, Trace(TRACE_ID, SPAN_ID, is_sampled=True)])
def test_an_origin_survives_its_record(trace: Trace | None) -> None:
    assert Origin.parse(Origin("req_1", trace).as_text()) == Origin("req_1", trace)


@pytest.mark.parametrize("text", [None, "", "{", "[]", "{}", '"x"', '{"traceparent": 3}'])
def test_a_record_of_an_earlier_version_or_a_broken_one_has_no_origin(text: str | None) -> None:
    assert Origin.parse(text) is None


def test_a_later_version_may_add_fields() -> None:
    assert Origin.parse('{"request_id": "req_1", "tracestate": "a=b"}') == Origin("req_1")


def test_lines_without_a_request_have_their_other_ids() -> None:
    assert log_ids(None, job_id="job_1") == {"job_id": "job_1"}
