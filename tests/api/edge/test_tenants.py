"""Two tenants: what one has does not exist for the other, on any route."""

from dataclasses import replace

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api.app import create_app
from api.services import Services
from shared.access.keys import Scope
from shared.batches.batch import Batch, BatchSpec, line_job_id, new_batch_id
from shared.files import Purpose, StoredFile, new_file_id
from shared.ids import TenantId, WorkerId
from shared.jobs.job import Job
from shared.jobs.states import Stage
from shared.store.access.keys import KeyStore
from shared.store.batches.batches import BatchStore
from shared.store.core.connect import Client
from shared.store.endpoints.endpoints import EndpointChanges, EndpointStore
from shared.store.files.files import FileStore
from shared.store.jobs.jobs import JobStore
from shared.store.queues.upkeep import UpkeepStore
from shared.store.renders.leases import LeaseRules, LeaseStore
from shared.webhooks.endpoints import Endpoint
from shared.webhooks.secrets import is_webhook_secret, new_secret
from tests.shared.store.builders import REVISION, submitted

OWNER, OTHER = TenantId("acme"), TenantId("globex")


@pytest.fixture
def fields(client: Client) -> dict[TenantId, dict[str, str]]:
    """What each tenant sends with its requests."""
    keys = KeyStore(client)
    texts = {tenant: keys.create(tenant, [Scope.ADMIN])[1] for tenant in (OWNER, OTHER)}
    return {tenant: {"Authorization": f"Bearer {text}"} for tenant, text in texts.items()}


@pytest.fixture
def endpoint(client: Client) -> Endpoint:
    """The owner's."""
    return EndpointStore(client).create(OWNER, "https://a.example/", new_secret(), EndpointChanges(), most=1)


@pytest.fixture
def poisoned(client: Client, store: JobStore, endpoint: Endpoint) -> Job:
    """The owner's job, which ended with a dead letter; its endpoint is to be told."""
    job = submitted(store, tenant=OWNER)
    dying = LeaseStore(client, LeaseRules(ttl_s=0, prior_ready_limit_min=16))
    for life in range(2):
        assert dying.claim(Stage.AR, REVISION, WorkerId(f"w{life}"))
        UpkeepStore(client).rescue(poison_strikes=1)
    return job


@pytest.fixture
def a_file(client: Client) -> StoredFile:
    """The owner's."""
    files, file_id = FileStore(client), new_file_id()
    files.open(file_id, OWNER)
    whole = {"purpose": Purpose.VISION, "filename": "a.png", "num_bytes": 1, "sha256": "0", "lifetime_s": None}
    return files.close(file_id, OWNER, **whole)


@pytest.fixture
def batch(client: Client, a_file: StoredFile) -> Batch:
    """The owner's."""
    asked = {"input_file_id": a_file.file_id, "endpoint": "/v1/jobs", "window": "1h", "window_s": 3600}
    return BatchStore(client).create(new_batch_id(), BatchSpec(tenant=OWNER, **asked))


def code_of(answer: TestResponse) -> str:
    """In whichever dialect its route speaks."""
    told = answer.get_json()
    return told["error"]["code"] if "error" in told else told["code"]


ROUTES = [
    ("GET", "/v1/jobs/{job}", {200}),
    ("POST", "/v1/jobs/{job}/cancel", {200}),
    ("POST", "/v1/jobs/{job}/retry", {202}),
    ("DELETE", "/v1/jobs/{job}", {204}),
    ("GET", "/v1/jobs/{job}/events", {200}),
    ("GET", "/paas/v4/async-result/{job}", {200}),
    ("GET", "/api/paas/v4/async-result/{job}", {200}),
    ("GET", "/v1/files/{file}", {200}),
    ("GET", "/v1/files/{file}/content", {302}),
    ("DELETE", "/v1/files/{file}", {200}),
    ("GET", "/v1/batches/{batch}", {200}),
    ("PATCH", "/v1/batches/{batch}", {200}),
    ("POST", "/v1/batches/{batch}/pause", {200}),
    ("POST", "/v1/batches/{batch}/resume", {200}),
    ("POST", "/v1/batches/{batch}/retry", {409}),
    ("POST", "/v1/batches/{batch}/cancel", {200}),
    ("GET", "/v1/batches/{batch}/results", {200}),
    ("GET", "/v1/batches/{batch}/output", {200}),
    ("GET", "/v1/batches/{batch}/manifest", {200}),
    ("GET", "/v1/batches/{batch}/archive", {200}),
    ("GET", "/v1/batches/{batch}/archive_link", {200}),
    ("GET", "/v1/batches/{batch}/events", {200}),
    ("GET", "/v1/batches/{batch}/outputs/mug-17.png", {404}),
    ("DELETE", "/v1/batches/{batch}", {409}),
    ("GET", "/v1/batches/{batch}/pictures/{line_job}/0/0123456789abcdef.png", {302}),
    ("GET", "/v1/jobs/{job}/images/0", {409}),
    ("GET", "/v1/jobs/{job}/images/0/grid", {409}),
    ("GET", "/v1/jobs/{job}/inputs/0", {404}),
    ("GET", "/v1/jobs/{job}/images/0/previews/0", {404}),
    ("GET", "/v1/dead_letters/{letter}", {200}),
    ("POST", "/v1/dead_letters/{letter}/requeue", {200}),
    ("POST", "/v1/dead_letters/{letter}/purge", {204}),
    ("GET", "/v1/keys/{key}", {200}),
    ("PATCH", "/v1/keys/{key}", {200}),
    ("POST", "/v1/keys/{key}/rotate", {201}),
    ("POST", "/v1/keys/{key}/revoke", {200}),
    ("GET", "/v1/tenants/{tenant}/limits", {200}),
    ("PATCH", "/v1/tenants/{tenant}/limits", {403}),  # of one's own tenant too: only operators change limits
    ("GET", "/v1/tenants/{tenant}/bucket", {200}),
    ("PUT", "/v1/tenants/{tenant}/bucket", {403}),  # nor do tenants direct their pictures elsewhere
    ("DELETE", "/v1/tenants/{tenant}/bucket", {403}),
    ("GET", "/v1/tenants/{tenant}/retention", {200}),
    ("PUT", "/v1/tenants/{tenant}/retention", {200}),
    ("GET", "/v1/tenants/{tenant}/data", {200}),
    ("DELETE", "/v1/tenants/{tenant}/data", {202}),
    ("GET", "/v1/jobs/{job}/webhook_attempts", {200}),
    ("GET", "/v1/webhook_messages/{message}", {200}),
    ("GET", "/v1/webhook_messages/{message}/attempts", {200}),
    ("POST", "/v1/webhook_messages/{message}/resend", {202}),
    ("GET", "/v1/webhook_endpoints/{endpoint}", {200}),
    ("GET", "/v1/webhook_endpoints/{endpoint}/attempts", {200}),
    ("GET", "/v1/webhook_endpoints/{endpoint}/secret", {200}),
    ("PATCH", "/v1/webhook_endpoints/{endpoint}", {200}),
    ("DELETE", "/v1/webhook_endpoints/{endpoint}", {204}),
    ("POST", "/v1/webhook_endpoints/{endpoint}/disable", {200}),
    ("POST", "/v1/webhook_endpoints/{endpoint}/enable", {200}),
    ("POST", "/v1/webhook_endpoints/{endpoint}/rotate_secret", {200}),
    ("POST", "/v1/webhook_endpoints/{endpoint}/test", {202}),
    ("POST", "/v1/webhook_endpoints/{endpoint}/recover", {202}),
    ("POST", "/v1/webhook_endpoints/{endpoint}/replay", {202}),
]

BODIES = {
    ("PATCH", "/v1/keys/{key}"): {"name": "the shop"},
    ("PATCH", "/v1/tenants/{tenant}/limits"): {"streams": 5},
    ("PUT", "/v1/tenants/{tenant}/retention"): {"delete_after_s": 3600},
    ("PATCH", "/v1/batches/{batch}"): {"priority": "low"},
    ("POST", "/v1/webhook_endpoints/{endpoint}/recover"): {"since": "2026-01-01T00:00:00Z"},
    ("POST", "/v1/webhook_endpoints/{endpoint}/replay"): {"since": "2026-01-01T00:00:00Z"},
}


@pytest.mark.parametrize(("method", "route", "owners"), ROUTES)
def test_the_id_of_another_tenant_does_not_exist(
    http: FlaskClient,
    client: Client,
    fields: dict[TenantId, dict[str, str]],
    poisoned: Job,
    a_file: StoredFile,
    endpoint: Endpoint,
    batch: Batch,
    method: str,
    route: str,
    owners: set[int],
) -> None:
    path = route.format(
        job=poisoned.job_id,
        letter=poisoned.renders[0].render_id,
        file=a_file.file_id,
        endpoint=endpoint.endpoint_id,
        batch=batch.batch_id,
        line_job=line_job_id(batch.batch_id, 0, 0),
        tenant=OWNER,
        key=KeyStore(client).keys(OWNER, limit=1)[0].key_id,
        message=f"evt_{poisoned.job_id.removeprefix('job_')}_job_failed",
    )
    nobodys = dict.fromkeys(("letter", "file", "endpoint", "message", "batch", "line_job", "tenant", "key"), "none")
    nowhere = route.format(job="job_" + "0" * 26, **nobodys)
    body = BODIES.get((method, route), {})
    refused = http.open(path, method=method, headers=fields[OTHER], json=body)
    unknown = http.open(nowhere, method=method, headers=fields[OTHER], json=body)
    assert (refused.status_code, code_of(refused)) == (404, code_of(unknown))
    assert set(refused.headers.keys()) == set(unknown.headers.keys())
    answer = http.open(path, method=method, headers=fields[OWNER], json=body)
    assert answer.status_code in owners
    if answer.status_code == 404:
        assert code_of(answer) != code_of(refused)


def test_every_route_with_an_id_is_in_the_table(http: FlaskClient) -> None:
    """But for the PUT of a job, whose id is the caller's own, what is nobody's, and a link that is a key itself."""
    rules = {
        (method, rule.rule)
        for rule in http.application.url_map.iter_rules()
        for method in (rule.methods or set()) & {"GET", "POST", "PUT", "PATCH", "DELETE"}
        if rule.arguments
    }
    adapter = http.application.url_map.bind("localhost")
    some = dict.fromkeys(("job", "letter", "file", "endpoint", "message", "batch", "line_job", "tenant", "key"), "x")
    matched = {
        (method, adapter.match(route.format(**some), method, return_rule=True)[0].rule) for method, route, _ in ROUTES
    }
    of_nobody = {("GET", f"/{path}") for path in ("v1/models/<path:model_id>", "docs/<name>", "studio/<path:name>")}
    keyless = {
        ("GET", "/v1/batches/<batch_id>/archives/<name>"),
        ("GET", "/v1/jobs/<job_id>/images/<int:index>/links/<name>"),
    }
    of_the_platform = {(method, "/v1/pauses/<kind>/<name>") for method in ("PUT", "DELETE")}
    of_the_platform |= {("PATCH", "/v1/model_rules/<path:model>")}
    of_the_platform |= {
        ("POST", f"/v1/workers/<worker_id>/{what}") for what in ("drain", "resume")
    }  # tests/api/operators
    assert matched == rules - {("PUT", "/v1/jobs/<job_id>"), *keyless, *of_nobody, *of_the_platform}


def test_lists_hold_what_is_ones_own(
    http: FlaskClient, fields: dict[TenantId, dict[str, str]], poisoned: Job, batch: Batch
) -> None:
    for path in ("/v1/jobs", "/v1/dead_letters", "/v1/webhook_endpoints", "/v1/batches"):
        sizes = {tenant: len(http.get(path, headers=sent).get_json()["data"]) for tenant, sent in fields.items()}
        assert sizes == {OWNER: 1, OTHER: 0}


def test_a_job_belongs_to_the_tenant_of_its_key(http: FlaskClient, fields: dict[TenantId, dict[str, str]]) -> None:
    made = http.post("/v1/jobs", json={"prompt": "a"}, headers=fields[OTHER]).get_json()
    links = made["links"]["self"]
    assert [http.get(links, headers=fields[tenant]).status_code for tenant in (OTHER, OWNER)] == [200, 404]


def test_no_tenant_can_sign_anothers_webhooks(http: FlaskClient, fields: dict[TenantId, dict[str, str]]) -> None:
    path = "/v1/webhooks/secret"
    secrets = [http.get(path, headers=sent).get_json()["secret"] for sent in fields.values()]
    assert len(set(secrets)) == 2
    assert all(map(is_webhook_secret, secrets))
    assert secrets[0] == http.get(path, headers=fields[OWNER]).get_json()["secret"]


def test_two_processes_of_the_api_agree_on_who_is_who(
    house: Services, client: Client, fields: dict[TenantId, dict[str, str]]
) -> None:
    first, second = create_app(house).test_client(), create_app(replace(house, store=JobStore(client))).test_client()
    link = first.post("/v1/jobs", json={"prompt": "a"}, headers=fields[OWNER]).get_json()["links"]["self"]
    assert [second.get(link, headers=fields[tenant]).status_code for tenant in (OWNER, OTHER)] == [200, 404]
