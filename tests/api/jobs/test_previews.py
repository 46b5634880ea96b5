import json

import pytest
from flask.testing import FlaskClient

from api.services import Services
from shared.errors import LeaseLost
from shared.jobs.states import Stage
from shared.store.core.connect import Client
from shared.store.jobs.jobs import JobStore
from shared.store.renders.leases import LeaseStore
from tests.shared.store.builders import REVISION, RULES, WORKER_ID, a_prior, submitted


def test_a_preview_is_announced_with_a_link_that_reads_it(
    http: FlaskClient, house: Services, store: JobStore, client: Client
) -> None:
    job = submitted(store)
    leases = LeaseStore(client, RULES)
    prior = leases.claim(Stage.AR, REVISION, WORKER_ID)
    assert prior
    leases.finish_prior(prior.lease, a_prior())
    claim = leases.claim(Stage.DIT, REVISION, WORKER_ID)
    assert claim
    path = f"/v1/jobs/{job.job_id}/images/0/previews/1"
    assert http.get(path).status_code == 404

    leases.publish_event(claim.lease, "render.preview", {"index": 0, "number": 1, "total": 2, "key": "jobs/x/p-1.jpeg"})
    leases.fail(claim.lease, {"code": "x", "message": "m", "stage": "dit", "retryable": False})
    stream = http.get(f"/v1/jobs/{job.job_id}/events").text
    block = next(block for block in stream.split("\n\n") if "render.preview" in block)
    data = json.loads(block.partition("data: ")[2])
    assert data == {"index": 0, "number": 1, "total": 2, "url": house.settings.public_url + path}
    answer = http.get(path)
    assert answer.status_code == 302
    assert "jobs/x/p-1.jpeg" in answer.headers["Location"]


def test_a_preview_of_an_attempt_that_lost_its_lease_is_refused(store: JobStore, client: Client) -> None:
    job = submitted(store)
    leases = LeaseStore(client, RULES)
    claim = leases.claim(Stage.AR, REVISION, WORKER_ID)
    assert claim
    leases.hand_back(claim.lease)
    with pytest.raises(LeaseLost):
        leases.publish_event(claim.lease, "render.preview", {"index": 0})
    assert "render.preview" not in [event.type for event in store.events(job.job_id, after="0")]
