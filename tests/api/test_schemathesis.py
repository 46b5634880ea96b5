"""Requests drawn from the document, right and wrong: no route may crash, or answer what the document doesn't say."""

import pytest
import schemathesis
from flask.testing import FlaskClient
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.schemas import APIOperation, BaseSchema
from schemathesis.specs.openapi.checks import positive_data_acceptance

from api.app import create_app
from api.openapi.entries import OPERATIONS
from api.services import Services
from shared.ids import DEFAULT_TENANT
from shared.keys import Scope
from shared.store.connect import Client
from shared.store.keys import KeyStore

NAMES = sorted({each.name for each in OPERATIONS.values()})
# Nothing that can be sent to these is wrong.
NEVER_WRONG = {"downloadBatchByLink", "getDocs", "getDocsAsset", "getHealth", "getOpenapi", "getReadiness", "getStart"}
# What a schema cannot tell: which addresses may be called, which pictures can be read, which sizes go together.
BEYOND_A_SCHEMA = {
    "createBatch",
    "createFile",
    "createImage",
    "createJob",
    "createWebhookEndpoint",
    "editImage",
    "putJob",
    "rotateWebhookEndpointSecret",
    "updateWebhookEndpoint",
    "validateBatch",
    "zaiBegin",
    "zaiBeginApi",
    "zaiGenerate",
    "zaiGenerateApi",
}
# Without workers, all that these can answer in the end: 503 `still_rendering`.
STILL_RENDERING = {"createImage", "editImage"}

bounded = settings(
    max_examples=8,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def key(client: Client) -> str:
    return KeyStore(client).create(DEFAULT_TENANT, [Scope.ADMIN])[1]


@pytest.fixture
def schema(house: Services, key: str) -> BaseSchema:
    """Of an app that takes keys, and holds no answer back: it is about to stop, so whoever waits is answered now."""
    house.stop()
    accepted = ["2xx", "3xx", "404", "409", "422"]  # 422: an Idempotency-Key was drawn a second time
    config = SchemathesisConfig.from_dict(
        {
            "auth": {"openapi": {"key": {"bearer": key}}},
            "checks": {"positive_data_acceptance": {"expected-statuses": accepted}},
        }
    )
    return schemathesis.openapi.from_wsgi("/openapi.json", create_app(house), config=config)


def check_answers(operation: APIOperation, mode: GenerationMode, **ids: dict[str, object]) -> None:
    name = operation.definition.raw["operationId"]
    excluded = [positive_data_acceptance] if name in BEYOND_A_SCHEMA else []

    @bounded
    @given(case=operation.as_strategy(mode, **ids))
    def check(case: Case) -> None:
        answer = case.call()
        if name in STILL_RENDERING and answer.status_code == 503:
            assert answer.json()["error"]["code"] == "still_rendering"
            case.validate_response(answer, excluded_checks=[*excluded, not_a_server_error])
        else:
            case.validate_response(answer, excluded_checks=excluded)

    check()


@pytest.mark.parametrize("name", NAMES)
def test_right_requests_are_answered_as_described(schema: BaseSchema, name: str) -> None:
    check_answers(schema.find_operation_by_id(name), GenerationMode.POSITIVE)


@pytest.mark.parametrize("name", sorted(set(NAMES) - NEVER_WRONG))
def test_wrong_requests_are_refused_as_described(schema: BaseSchema, name: str) -> None:
    check_answers(schema.find_operation_by_id(name), GenerationMode.NEGATIVE)


@pytest.mark.parametrize("mode", GenerationMode)
def test_requests_for_what_there_is_are_answered_as_described(
    http: FlaskClient, schema: BaseSchema, key: str, mode: GenerationMode
) -> None:
    """With ids drawn at random, nearly every answer is 404."""
    fields = {"Authorization": f"Bearer {key}"}
    job = http.post("/v1/jobs", json={"prompt": "a"}, headers=fields).get_json()["id"]
    hook = http.post("/v1/webhook_endpoints", json={"url": "https://a.example/"}, headers=fields).get_json()["id"]
    ids: dict[str, object] = {"job_id": job, "endpoint_id": hook, "index": 0, "number": 0}
    for name in NAMES:
        operation = schema.find_operation_by_id(name)
        wanted = {parameter.name for parameter in operation.path_parameters}
        if wanted and wanted <= ids.keys() and not name.startswith("delete") and operation.method != "put":
            check_answers(operation, mode, path_parameters={each: ids[each] for each in wanted})
