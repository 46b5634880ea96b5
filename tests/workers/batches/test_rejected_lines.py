"""Lines of a batch whose prompt or picture a content hook refuses."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from api.services import Services
from shared.jobs.states import Stage
from shared.store.checks.checks import CheckClaim, CheckStore
from shared.store.core.connect import Client
from tests.workers.batches.shop import Json, Shop, a_line, a_shop, jsonl, some_lines

ERROR = {
    "code": "content_rejected",
    "message": "the content policy refused the prompt: no weapons",
    "stage": None,
    "retryable": False,
    "policy": {"code": "violence", "reason": "no weapons"},
}


@pytest.fixture
def shop(house: Services, client: Client) -> Shop:
    """A service with a prompt hook."""
    changes = {"batch_spare": 8, "s3_links": "streamed", "prompt_hook_url": "https://policy.example/"}
    return a_shop(replace(house, settings=house.settings.model_copy(update=changes)), client)


def run(shop: Shop, batch: Json, is_refused: Callable[[CheckClaim], bool]) -> Json:
    """Until the batch is over. All checks that are due are carried out after each step."""
    checks, render = CheckStore(shop.client, 60), shop.render

    def check_and_render(most: int = 1_000_000) -> int:
        while claim := checks.claim():
            assert checks.reject(claim, ERROR) if is_refused(claim) else checks.allow(claim)
        return render(most)

    shop.render = check_and_render  # type: ignore[method-assign]
    return shop.run(batch)


def is_second(claim: CheckClaim) -> bool:
    return claim.spec.settings.prompt == "picture 1"


def test_no_line_is_rendered_before_its_prompt_was_allowed(shop: Shop) -> None:
    shop.create(some_lines(3))
    shop.stir()
    shop.work()
    assert shop.leases.claim(Stage.AR, "r1", "w") is None  # type: ignore[arg-type]
    assert shop.client.zcard("gridpress:checks:batch") == 3


def test_a_rejected_line_is_in_the_error_file_with_the_policys_reason(shop: Shop) -> None:
    batch = run(shop, shop.create(some_lines(3)), is_second)
    assert (batch["status"], batch["request_counts"]) == ("completed", {"total": 3, "completed": 2, "failed": 1})
    [line] = shop.lines_of(batch["error_file_id"])
    assert (line["custom_id"], line["response"]["status_code"]) == ("line-1", 400)
    body = line["response"]["body"]
    assert (body["status"], body["error"]) == ("rejected", ERROR)


def test_a_rejected_line_of_openais_kind_has_openais_code(shop: Shop) -> None:
    endpoint = "/v1/images/generations"
    batch = run(shop, shop.create(some_lines(2, endpoint), endpoint), is_second)
    [line] = shop.lines_of(batch["error_file_id"])
    error = line["response"]["body"]["error"]
    assert (line["response"]["status_code"], error["code"], error["type"]) == (
        400,
        "content_policy_violation",
        "invalid_request_error",
    )
    assert "no weapons" in error["message"]


def test_a_retry_of_a_batch_leaves_rejected_lines_out(shop: Shop) -> None:
    shop.fails = lambda claim: claim.settings.prompt == "picture 0"
    batch = run(shop, shop.create(some_lines(3)), is_second)
    assert batch["request_counts"]["failed"] == 2
    shop.fails = lambda claim: False
    shop.do(batch, "retry")
    again = run(shop, batch, lambda claim: False)
    assert again["request_counts"] == {"total": 3, "completed": 2, "failed": 1}


def test_a_batch_of_rejected_lines_alone_can_not_be_retried(shop: Shop) -> None:
    batch = run(shop, shop.create(jsonl([a_line(0)])), lambda claim: True)
    answer = shop.http.post(f"/v1/batches/{batch['id']}/retry")
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (409, "batch_not_retryable")
