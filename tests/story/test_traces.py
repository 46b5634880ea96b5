"""One unbroken trace leads from a request to its webhook, whatever happens on the way."""

import os
import secrets
import signal

from tests.story.collector import Seen
from tests.story.conftest import House, Json, wait_until
from tests.workers.batches.shop import some_lines


def sent(*, is_sampled: bool = True) -> tuple[dict[str, str], str, str]:
    """Header fields of a client that traces, its trace and its span."""
    trace_id, span_id = secrets.token_hex(16), secrets.token_hex(8)
    return {"traceparent": f"00-{trace_id}-{span_id}-0{int(is_sampled)}"}, trace_id, span_id


def named(house: House, trace_id: str, name: str) -> list[Seen]:
    return [span for span in house.collector.of_trace(trace_id) if span.name == name]


def of_job(house: House, job: Json) -> list[Seen]:
    return [span for span in house.collector.spans if span.attributes.get("gridpress.job_id") == job["id"]]


def test_a_trace_leads_from_the_request_to_the_webhook(house: House) -> None:
    fields, trace_id, client = sent()
    job = house.submit(fields, webhook_url=house.receiver.url)
    house.collector.wait_until(lambda: len(house.collector.of_trace(trace_id)) >= 4)
    spans = house.collector.of_trace(trace_id)
    assert [(span.service, span.name) for span in spans] == [
        ("gridpress-api", "POST /v1/jobs"),
        ("gridpress-ar", "ar"),
        ("gridpress-dit", "dit"),
        ("gridpress-delivery", "webhook"),
    ]
    request, ar, dit, webhook = spans
    assert request.parent_id == client
    assert {ar.parent_id, dit.parent_id, webhook.parent_id} == {request.span_id}
    assert {span.attributes["gridpress.job_id"] for span in spans} == {job["id"]}
    assert (request.attributes["http.route"], request.attributes["http.response.status_code"]) == ("/v1/jobs", 202)
    assert (dit.attributes["gridpress.outcome"], dit.attributes["gridpress.steps"]) == ("succeeded", 7)
    assert dit.attributes["gridpress.render_index"] == 0
    assert dit.ended_ns - dit.began_ns >= 300_000_000
    assert ar.ended_ns <= dit.ended_ns <= webhook.ended_ns
    assert house.story(trace_id=trace_id, event="render.finished", stage="dit")


def test_the_enhancement_of_a_prompt_is_part_of_the_trace(house: House) -> None:
    fields, trace_id, _ = sent()
    house.submit(fields, enhance_prompt=True)
    house.collector.wait_until(lambda: len(house.collector.of_trace(trace_id)) >= 4)
    names = [span.name for span in house.collector.of_trace(trace_id)]
    assert names == ["POST /v1/jobs", "enhance", "ar", "dit"]


def test_a_killed_worker_breaks_no_trace(house: House) -> None:
    fields, trace_id, _ = sent()
    job = house.submit(fields, webhook_url=house.receiver.url)
    wait_until(lambda: bool(house.story(job_id=job["id"], event="render.claimed", stage="dit")))
    os.kill(house.pid("dit-0"), signal.SIGKILL)
    house.collector.wait_until(lambda: len(house.collector.of_trace(trace_id)) >= 5)
    (request,) = named(house, trace_id, "POST /v1/jobs")
    first, second = named(house, trace_id, "dit")
    assert len(named(house, trace_id, "webhook")) == 1
    assert (first.attributes["gridpress.outcome"], second.attributes["gridpress.outcome"]) == ("lost", "succeeded")
    assert (first.attributes["gridpress.attempt"], second.attributes["gridpress.attempt"]) == (1, 2)
    assert (first.is_error, second.is_error) == (True, False)
    assert first.parent_id == second.parent_id == request.span_id
    assert first.began_ns < first.ended_ns <= second.began_ns


def test_a_client_that_records_no_trace_makes_none(house: House) -> None:
    fields, trace_id, _ = sent(is_sampled=False)
    job = house.submit(fields)
    wait_until(lambda: bool(house.story(job_id=job["id"], event="render.finished", stage="dit")))
    after = house.submit()
    house.collector.wait_until(
        lambda: any(
            s.attributes.get("gridpress.job_id") == after["id"] and s.name == "dit" for s in house.collector.spans
        )
    )
    assert house.collector.of_trace(trace_id) == []


def test_an_ill_formed_traceparent_is_ignored(house: House) -> None:
    trace_id = secrets.token_hex(16)
    job = house.submit({"traceparent": f"00-{trace_id}-{'0' * 16}-01"})
    house.collector.wait_until(lambda: bool(of_job(house, job)))
    assert house.collector.of_trace(trace_id) == []


def test_each_line_of_a_batch_has_a_trace_that_is_linked_to_its_request(house: House) -> None:
    fields, trace_id, _ = sent()
    files = {"file": ("in.jsonl", some_lines(2, size="256x256")), "purpose": (None, "batch")}
    file = house.ask("POST", "/v1/files", files=files).json()
    asked = {"input_file_id": file["id"], "endpoint": "/v1/jobs", "completion_window": "24h"}
    batch = house.ask("POST", "/v1/batches", fields, json=asked).json()

    def collected() -> list[Seen]:
        of_batch = [s for s in house.collector.spans if s.attributes.get("gridpress.batch_id") == batch["id"]]
        return [span for span in of_batch if span.name == "batch.collect"]

    def spans_of(last: Seen) -> list[Seen]:
        return house.collector.of_trace(last.trace_id)

    house.collector.wait_until(lambda: [len(spans_of(last)) for last in collected()] == [4, 4])
    house.collector.wait_until(lambda: bool(named(house, trace_id, "POST /v1/batches")))
    (request,) = named(house, trace_id, "POST /v1/batches")
    for last in collected():
        spans = spans_of(last)
        assert [span.name for span in spans] == ["batch.line", "ar", "dit", "batch.collect"]
        assert spans[0].links == ((trace_id, request.span_id),)
        assert {span.parent_id for span in spans[1:]} == {spans[0].span_id}
