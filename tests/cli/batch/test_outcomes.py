"""What the command reads from the result of one line that a content hook refused."""

from typing import Any

import pytest

from cli.batch.results.outcomes import Outcome

POLICY = {"code": "content_rejected", "message": "the content policy refused the picture: no weapons"}
NATIVE = {
    "status": "rejected",
    "error": POLICY,
    "images": [{"index": 0, "url": None, "status": "rejected", "seed": 1, "sha256": None, "error": POLICY}],
}
OPENAI = {"error": {"code": "content_policy_violation", "message": POLICY["message"], "param": None}}


@pytest.mark.parametrize("body", [NATIVE, OPENAI])
def test_a_rejected_line_is_told_from_an_invalid_one(body: dict[str, Any]) -> None:
    line = {"custom_id": "a", "job_id": "job_1", "response": {"status_code": 400, "body": body}, "error": None}
    outcome = Outcome.of(line)
    assert outcome.status == "rejected"
    assert POLICY["message"] in (outcome.error, *(picture.error for picture in outcome.pictures))


def test_an_invalid_line_is_a_failed_one() -> None:
    body = {"error": {"code": "invalid_request", "message": "n must be at least 1", "param": "n"}}
    line = {"custom_id": "a", "job_id": None, "response": {"status_code": 400, "body": body}, "error": None}
    assert Outcome.of(line).status == "failed"
