"""What a tenant can read anywhere names nothing of another: no id, no word, no worker."""

import pytest
from flask.testing import FlaskClient

from api.services import Services
from shared.ids import TenantId
from shared.jobs.job import Job
from shared.store.jobs.jobs import JobStore
from tests.api.edge.test_tenants import OTHER, OWNER, a_file, batch, endpoint, fields, poisoned
from tests.shared.store.builders import submitted

__all__ = ["a_file", "batch", "endpoint", "fields", "poisoned"]

pytestmark = pytest.mark.attack

Fields = dict[TenantId, dict[str, str]]
CANARY = "a canary that only acme knows"


@pytest.fixture
def marks(store: JobStore, poisoned: Job, a_file: object, batch: object, endpoint: object) -> list[str]:
    """Whatever would give the owner away."""
    live = submitted(store, tenant=OWNER, prompt=CANARY)
    ids = [poisoned.job_id, live.job_id, a_file.file_id, batch.batch_id, endpoint.endpoint_id]  # type: ignore[attr-defined]
    return [str(each) for each in ids] + [CANARY, OWNER, "a.example"]


def routes(http: FlaskClient) -> list[str]:
    return sorted(
        rule.rule
        for rule in http.application.url_map.iter_rules()
        if "GET" in (rule.methods or ()) and not rule.arguments
    )


def test_no_route_names_anything_of_another_tenant(
    http: FlaskClient, house: Services, fields: Fields, marks: list[str]
) -> None:
    house.stop()  # streams end at once
    for path in routes(http):
        for headers in (fields[OTHER], {}):
            answer = http.get(path, headers=headers)
            told = answer.text + str(answer.headers)
            if not path.startswith(("/docs", "/openapi")):
                assert [mark for mark in marks if mark in told] == [], path


def test_an_id_that_another_tenant_gave_a_job_is_as_free_as_any(http: FlaskClient, fields: Fields) -> None:
    ours, theirs = (
        http.put("/v1/jobs/order-17", json={"prompt": "a"}, headers=fields[each]) for each in (OWNER, OTHER)
    )
    assert ours.status_code == theirs.status_code
    assert ours.get_json()["id"] != theirs.get_json()["id"]
    other = http.put("/v1/jobs/order-18", json={"prompt": CANARY}, headers=fields[OWNER]).get_json()
    assert http.get("/v1/jobs/order-18", headers=fields[OTHER]).status_code == 404
    assert http.get(f"/v1/jobs/{other['id']}", headers=fields[OTHER]).status_code == 404
