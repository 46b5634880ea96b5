"""Files that are no batches, and what a check says of them."""

import json

import pytest

from shared.batches.batch import BatchId, is_line_of, line_job_id, new_batch_id
from tests.workers.batches.shop import Shop, a_line, jsonl, some_lines

GOOD = a_line(0)
BAD_FILES = {
    "nothing": (b"", "empty_file", None),
    "blank lines": (b"\n\n", "empty_file", None),
    "no JSON": (b"a red kite\n", "invalid_json_line", 1),
    "no object": (b"[]\n", "invalid_json_line", 1),
    "half a line": (jsonl([GOOD]) + b'{"custom_id": "b"', "invalid_json_line", 2),
    "no custom_id": (jsonl([{key: GOOD[key] for key in ("method", "url", "body")}]), "missing_required_parameter", 1),
    "an empty custom_id": (jsonl([{**GOOD, "custom_id": ""}]), "invalid_value", 1),
    "another method": (jsonl([{**GOOD, "method": "GET"}]), "invalid_value", 1),
    "an unknown field": (jsonl([{**GOOD, "when": "now"}]), "unknown_parameter", 1),
    "a body of text": (jsonl([{**GOOD, "body": "a red kite"}]), "invalid_value", 1),
    "another endpoint": (jsonl([GOOD, a_line(1, "/v1/images/edits")]), "mismatched_endpoint", 2),
    "the same id twice": (jsonl([GOOD, a_line(1), GOOD]), "duplicate_custom_id", 3),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_what_is_not_a_batch_fails_as_a_whole(shop: Shop, name: str) -> None:
    data, code, line = BAD_FILES[name]
    batch = shop.create(data)
    report = shop.http.post("/v1/batches/validate", json=_asked(batch)).get_json()
    batch = shop.run(batch)
    assert batch["status"] == "failed"
    assert [(fault["code"], fault["line"]) for fault in batch["errors"]["data"]] == [(code, line)]
    assert not report["is_batch"]
    assert [(fault["code"], fault["line"]) for fault in report["errors"]["data"]] == [(code, line)]
    assert shop.render() == 0


def test_a_file_with_too_many_lines_fails(shop: Shop) -> None:
    few = shop.house.settings.model_copy(update={"max_batch_lines": 3})
    object.__setattr__(shop.service.tools, "settings", few)
    batch = shop.run(shop.create(some_lines(4)))
    assert [fault["code"] for fault in batch["errors"]["data"]] == ["too_many_lines"]


def test_strict_refuses_a_file_for_one_bad_body(shop: Shop) -> None:
    batch = shop.run(shop.create(jsonl([a_line(0), a_line(1, n=99)]), strict=True))
    assert batch["status"] == "failed"
    assert [(fault["line"], fault["param"]) for fault in batch["errors"]["data"]] == [(2, "n")]


def test_a_check_names_every_bad_line_and_makes_no_batch(shop: Shop) -> None:
    lines = [a_line(number, **({"size": "99x99"} if number % 2 else {})) for number in range(6)]
    asked = {"input_file_id": shop.upload(jsonl(lines)), "endpoint": "/v1/jobs", "completion_window": "24h"}
    report = shop.http.post("/v1/batches/validate", json=asked).get_json()
    told = [(error["line"], error["param"], error["custom_id"]) for error in report["errors"]["data"]]
    assert told == [(2, "size", "line-1"), (4, "size", "line-3"), (6, "size", "line-5")]
    assert (report["is_batch"], report["total"], report["valid"], report["invalid"]) == (True, 6, 3, 3)
    assert shop.http.get("/v1/batches").get_json()["data"] == []


def test_a_check_leaves_no_bad_line_out_however_many_there_are(shop: Shop) -> None:
    lines = [a_line(number, size="1x1") for number in range(1200)] + [{**a_line(0), "url": "/v1/nowhere"}] * 120
    asked = {"input_file_id": shop.upload(jsonl(lines)), "endpoint": "/v1/jobs", "completion_window": "24h"}
    report = shop.http.post("/v1/batches/validate", json=asked).get_json()
    assert [error["line"] for error in report["errors"]["data"]] == list(range(1, 1321))
    assert (report["invalid"], report["has_more"]) == (1320, False)


def test_a_byte_order_mark_and_windows_line_ends_are_no_fault(shop: Shop) -> None:
    data = b"\xef\xbb\xbf" + b"\r\n".join(json.dumps(a_line(number)).encode() for number in range(2)) + b"\r\n\r\n"
    assert shop.run(shop.create(data))["request_counts"] == {"total": 2, "completed": 2, "failed": 0}


def test_a_file_of_another_purpose_is_refused(shop: Shop) -> None:
    with shop.openai() as client:
        file = client.files.create(file=("a.png", b"x"), purpose="vision")
    asked = {"input_file_id": file.id, "endpoint": "/v1/jobs", "completion_window": "24h"}
    answer = shop.http.post("/v1/batches", json=asked)
    assert (answer.status_code, answer.get_json()["error"]["param"]) == (400, "input_file_id")


@pytest.mark.parametrize("window", ["24", "0h", "31d", "1w", "24h "])
def test_windows_are_hours_or_days_up_to_thirty(shop: Shop, window: str) -> None:
    asked = {"input_file_id": "file-" + "0" * 26, "endpoint": "/v1/jobs", "completion_window": window}
    answer = shop.http.post("/v1/batches", json=asked)
    assert answer.get_json()["error"]["param"] == "completion_window"


def test_a_line_is_always_the_same_job_and_no_other_batchs() -> None:
    one, other = BatchId("batch_01ke6q8v3c9t0n5w7x2z4b6d8f"), new_batch_id()
    jobs = [line_job_id(one, round_, line) for round_ in (0, 1) for line in (0, 1, 49_999)]
    assert len(set(jobs)) == len(jobs)
    assert jobs[:3] == sorted(jobs[:3])
    assert all(is_line_of(job, one) and not is_line_of(job, other) for job in jobs)
    assert not is_line_of("job_" + "u" * 26, one)


def _asked(batch: dict[str, object]) -> dict[str, object]:
    return {key: batch[key] for key in ("input_file_id", "endpoint", "completion_window")}
