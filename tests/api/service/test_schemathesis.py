"""Requests drawn from the document, right and wrong: no route may crash, or answer what the document doesn't say."""

import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.internal.conjecture import providers
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.core.transport import Response
from schemathesis.pytest.lazy import get_all_tests
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    ignored_auth,
    negative_data_rejection,
    positive_data_acceptance,
    response_schema_conformance,
    unsupported_method,
)

from api.app import create_app
from api.services import Services
from shared.access.keys import Scope
from shared.ids import DEFAULT_TENANT
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from shared.store.core.fault_counts import FaultCounts

pytestmark = pytest.mark.attack

# `make fuzz` draws more, and tries all boundaries of every operation instead of every eighth.
NUM_EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "2"))
BOUNDARY_STEP = 1 if "FUZZ_EXAMPLES" in os.environ else 8
# What a schema cannot tell: which addresses may be called, which pictures can be read, which sizes go together, which
# names a kind of pause has, which characters can be printed, which files there are, what this service was set up for,
# which fields of a bucket belong together.
# A request that fits the schema is refused for these fields alone.
BEYOND_A_SCHEMA = {
    "access_key",
    "all_tenants",
    "bucket",
    "client_id",
    "deadline",
    "defaults",
    "endpoint_url",
    "enhance_prompt",
    "expires_at",
    "external_id",
    "file",
    "finish_by",
    "from",
    "headers",
    "height",
    "ids",
    "image",
    "images",
    "input_file_id",
    "metadata",
    "model",
    "name",
    "networks",
    "output_compression",
    "partial_images",
    "prefix",
    "prior",
    "prompt",
    "reason",
    "request",
    "retry_of",
    "reuse",
    "role_arn",
    "secret",
    "secret_key",
    "size",
    "stream",
    "text_check",
    "to",
    "url",
    "webhook_events",
    "webhook_payload",
    "webhook_secret",
    "webhook_url",
    "width",
}

bounded = settings(
    max_examples=NUM_EXAMPLES,
    stateful_step_count=8,
    derandomize="FUZZ_EXAMPLES" not in os.environ,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(autouse=True)
def _same_draws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hypothesis also draws constants of the modules that are loaded, so one suite would draw others than the next."""
    monkeypatch.setattr(providers, "_get_local_constants", providers.Constants)
    providers.CONSTANTS_CACHE.cache.clear()
    yield
    providers.CONSTANTS_CACHE.cache.clear()


@pytest.fixture
def schema(house: Services, client: Client) -> Iterator[BaseSchema]:
    """Of an app that takes keys, and holds no answer back: it is about to stop, so whoever waits is answered now."""
    house.stop()
    key = KeyStore(client).create(DEFAULT_TENANT, [Scope.ADMIN, Scope.OPERATOR])[1]
    accepted = ["2xx", "3xx", "404", "409", "422"]  # 422: an Idempotency-Key was drawn a second time
    config = SchemathesisConfig.from_dict(
        {
            "auth": {"openapi": {"key": {"bearer": key}}},
            "headers": {"Accept-Encoding": "identity"},  # its client of WSGI apps does not decompress
            "checks": {"positive_data_acceptance": {"expected-statuses": accepted}},
        }
    )
    yield schemathesis.openapi.from_wsgi("/openapi.json", create_app(house), config=config)
    assert FaultCounts(client).read() == {}


def is_still_rendering(answer: Response) -> bool:
    """Without workers, all that a request that waits for pictures can be answered."""
    return answer.status_code in (408, 503) and "still_rendering" in answer.text


# A job may have these ids, so the paths allow what the path of a job allows.
MAYBE_JOBS = {"/v1/jobs/cancel", "/v1/jobs/estimate", "/v1/jobs/validate"}


def is_beyond(answer: Response) -> bool:
    """Whether this is a refusal for what no schema tells. JSON Schema takes 5.0 for an integer, too."""
    if answer.status_code != 400:
        return False
    if "valid integer" in answer.text or "has no name" in answer.text:  # a form's part may have an odd name
        return True
    if re.search(r"whole number[^\"]*, not -?[0-9]+\.0\b", answer.text):
        return True
    body = answer.json()
    error = body.get("error", body)
    field = error.get("field") or error.get("param") or ""
    return re.split(r"[.\[]", field)[0] in BEYOND_A_SCHEMA


def check(answer: Response, case: Case) -> None:
    """As the document says, as far as it can say it."""
    excluded = [positive_data_acceptance] if is_beyond(answer) else []
    if case.path == "/v1/events":  # OpenAPI 3.1 can't describe single events
        excluded = [*excluded, response_schema_conformance]
    if is_still_rendering(answer):
        excluded = [positive_data_acceptance, not_a_server_error]
    if case.path in MAYBE_JOBS:
        excluded = [*excluded, allow_header_conformance]
    if case.path == "/v1/jobs/validate":  # reports what is wrong in a form, with status 200
        excluded = [*excluded, negative_data_rejection]
    if answer.status_code == 401:  # a method that there is not takes a key: who has none learns of no routes
        excluded = [*excluded, unsupported_method]
    case.validate_response(answer, excluded_checks=[*excluded, ignored_auth])


def called(case: Case) -> None:
    check(case.call(), case)


def keep_some_boundaries(test: Any, first: int) -> int:
    """Leaves every `BOUNDARY_STEP`-th of the test's examples and boundaries, from `first` on; returns how many."""
    kept = test.hypothesis_explicit_examples[first % BOUNDARY_STEP :: BOUNDARY_STEP]
    test.hypothesis_explicit_examples = kept
    return len(kept)


def test_every_request_is_answered_as_described(schema: BaseSchema) -> None:
    """Examples, boundaries and draws of every operation, of requests that are right and of such that are wrong."""
    failed, num_operations, num_boundaries = [], 0, 0
    for found in get_all_tests(schema=schema, test_func=called, settings=bounded, given_kwargs={}):
        _, test = found.ok()
        num_boundaries += keep_some_boundaries(test, num_operations)
        num_operations += 1
        try:
            test()
        except FailureGroup as error:
            failed.append(str(error))
    assert not failed, "\n".join(failed)
    assert num_boundaries > 2 * num_operations > 200


def test_requests_that_follow_each_other_are_answered_as_described(schema: BaseSchema) -> None:
    machine = schema.as_state_machine()

    class Machine(machine):  # type: ignore[misc, valid-type]  # made from the document
        def validate_response(self, response: Response, case: Case, **_: object) -> None:
            check(response, case)

    Machine.run(settings=bounded)
