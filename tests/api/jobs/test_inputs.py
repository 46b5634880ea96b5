"""A job's owner reads its condition images, and nobody else does."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from api.app import create_app
from api.services import Services
from shared.access.keys import Scope
from shared.ids import TenantId
from shared.images.normalise import normalise
from shared.jobs.states import Stage
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from shared.store.renders.leases import LeaseStore
from tests.api.conftest import with_settings
from tests.api.pictures import data_url, png
from tests.shared.store.builders import REVISION, RULES, WORKER_ID, a_prior

PICTURES = [png(256, 320, "red"), png(512, 256, "blue")]


def an_edit(http: FlaskClient, **fields: Any) -> dict[str, Any]:
    asked = {"prompt": "both together", "images": [data_url(each) for each in PICTURES], "size": "256x256"}
    return dict(http.post("/v1/jobs", json=asked, **fields).get_json())


@pytest.mark.parametrize("links", ["streamed", "presigned"])
def test_each_condition_image_is_what_the_stages_read(house: Services, links: str) -> None:
    http = with_settings(house, s3_links=links)
    job = an_edit(http)
    assert job["num_condition_images"] == len(PICTURES)
    for index, sent in enumerate(PICTURES):
        answer = http.get(f"/v1/jobs/{job['id']}/inputs/{index}?size=original")
        assert (answer.status_code, answer.content_type) == (200, "image/png")
        assert answer.data == normalise(sent, max_pixels=10**6, field="images")
        known = {"If-None-Match": answer.headers["ETag"]}
        assert http.get(f"/v1/jobs/{job['id']}/inputs/{index}?size=original", headers=known).status_code == 304
    plain = http.get(f"/v1/jobs/{job['id']}/inputs/0")
    assert plain.status_code == (200 if links == "streamed" else 302)


def test_an_input_that_a_job_does_not_have_is_not_found(http: FlaskClient) -> None:
    edit, plain = an_edit(http), http.post("/v1/jobs", json={"prompt": "no pictures"}).get_json()
    for job, index, says in ((edit, 2, "2 condition images"), (plain, 0, "0 condition images")):
        answer = http.get(f"/v1/jobs/{job['id']}/inputs/{index}")
        assert (answer.status_code, answer.get_json()["code"]) == (404, "image_not_found")
        assert says in answer.get_json()["detail"]


def test_a_grid_painted_again_has_the_inputs_of_its_source(http: FlaskClient, client: Client) -> None:
    source = an_edit(http)
    leases = LeaseStore(client, RULES)
    claim = leases.claim(Stage.AR, REVISION, WORKER_ID)
    assert claim
    leases.finish_prior(claim.lease, a_prior())
    again = http.post("/v1/jobs", json={"prior": {"job_id": source["id"], "index": 0}}).get_json()
    read = [http.get(f"/v1/jobs/{job}/inputs/1?size=original").data for job in (source["id"], again["id"])]
    assert read[0] == read[1]


def test_only_the_tenant_of_the_job_reads_its_inputs(house: Services, client: Client) -> None:
    keys = {name: KeyStore(client).create(TenantId(name), [Scope.RENDER, Scope.READ])[1] for name in ("acme", "globex")}
    fields = {name: {"Authorization": f"Bearer {key}"} for name, key in keys.items()}
    http = create_app(house).test_client()
    job = an_edit(http, headers=fields["acme"])
    path = f"/v1/jobs/{job['id']}/inputs/0?size=original"
    assert http.get(path, headers=fields["acme"]).status_code == 200
    refused = http.get(path, headers=fields["globex"])
    assert (refused.status_code, refused.get_json()["code"]) == (404, "job_not_found")
    assert an_edit(http, headers=fields["globex"])["id"] != job["id"]  # the same image, and yet not the other's job
    assert http.get(path, headers=fields["globex"]).status_code == 404
    assert http.get(path).status_code == 401
