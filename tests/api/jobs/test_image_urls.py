"""Condition images by URL, from servers on loopback."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from api.services import Services
from shared.access.keys import Scope
from shared.ids import DEFAULT_TENANT, JobId
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from tests.api.conftest import with_settings
from tests.api.pictures import data_url, png
from tests.shared.egress.servers import answering, serving

KITE, TART = png(512, 544, "red"), png(640, 512, "beige")


def post(http: FlaskClient, images: list[str]) -> tuple[int, dict[str, Any]]:
    answer = http.post("/v1/jobs", json={"prompt": "a red kite", "images": images})
    return answer.status_code, answer.get_json()


def refused(http: FlaskClient, images: list[str]) -> dict[str, Any]:
    status, problem = post(http, images)
    assert (status, problem["code"]) == (400, "invalid_image"), problem
    assert problem["field"] in problem["detail"]
    assert http.get("/v1/jobs").get_json()["data"] == []
    return problem


def keys(http: FlaskClient, house: Services, images: list[str]) -> tuple[str, ...]:
    """The condition images of the job that these become."""
    status, job = post(http, images)
    assert status == 202, job
    return house.store.job(JobId(job["id"]), DEFAULT_TENANT).spec.settings.images


def test_a_url_is_the_same_as_the_data_it_leads_to_in_any_order(http: FlaskClient, house: Services) -> None:
    sent = keys(http, house, [data_url(KITE), data_url(TART)])
    with serving(answering(body=KITE)) as kite, serving(answering(body=TART)) as tart:
        assert keys(http, house, [kite.url(), tart.url(scheme="HTTP")]) == sent
        assert keys(http, house, [data_url(KITE), tart.url()]) == sent
        assert keys(http, house, [kite.url(), data_url(TART)]) == sent


def test_an_image_that_cannot_be_had_is_named(http: FlaskClient) -> None:
    with serving(answering(body=KITE)) as kite, serving(answering("404 Not Found")) as missing:
        problem = refused(http, [kite.url(), missing.url()])
    assert problem["field"] == "images[1]"
    assert "responded with 404" in problem["detail"]


def test_a_page_is_not_a_picture(http: FlaskClient) -> None:
    with serving(answering(body=b"<html>log in</html>")) as server:
        assert refused(http, [server.url()])["field"] == "images[0]"


def test_nothing_is_fetched_for_a_request_that_is_refused_anyway(http: FlaskClient) -> None:
    with serving(answering(body=KITE)) as server:
        assert refused(http, [server.url(), "data:image/png;base64,***"])["field"] == "images[1]"
        assert post(http, [server.url()] * 9)[1]["field"] == "images"
    assert server.heard == []


def test_images_that_are_fetched_together_are_no_larger_than_a_body_may_be(house: Services) -> None:
    http = with_settings(house, max_body_bytes=2 * len(KITE) - 1)
    with serving(answering(body=KITE)) as server:
        assert post(http, [server.url()])[0] == 202
        status, problem = post(http, [server.url()] * 2)
    assert (status, problem["field"]) == (400, "images[1]")
    assert f"more than {2 * len(KITE) - 1} bytes" in problem["detail"]


def reached_by_others(house: Services, client: Client, **changes: Any) -> FlaskClient:
    """A client with a key of an API that listens beyond loopback."""
    _, text = KeyStore(client).create(DEFAULT_TENANT, [Scope.READ, Scope.RENDER])
    http = with_settings(house, host="0.0.0.0", **changes)
    http.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {text}"
    return http


def test_an_api_that_others_reach_fetches_from_loopback_only_what_is_allowed(house: Services, client: Client) -> None:
    with serving(answering(body=KITE)) as server:
        assert "is loopback" in refused(reached_by_others(house, client), [server.url()])["detail"]
        assert server.heard == []
        assert post(reached_by_others(house, client, egress_allow="127.0.0.1"), [server.url()])[0] == 202


@pytest.mark.parametrize("url", ["http://10.1.2.3/hook", "http://hooks.lan/", "https://10.1.255.255/"])
def test_the_allow_list_counts_for_receivers_as_well(house: Services, url: str) -> None:
    request = {"prompt": "a red kite", "webhook_url": url}
    problem = with_settings(house).post("/v1/jobs", json=request).get_json()
    assert (problem["code"], problem["field"]) == ("invalid_request", "webhook_url")
    allowing = with_settings(house, egress_allow="10.1.0.0/16,hooks.lan")
    assert allowing.post("/v1/jobs", json=request).status_code == 202


@pytest.mark.attack
def test_errors_tell_no_open_port_from_a_closed_one_where_an_address_is_not_public(
    house: Services, client: Client
) -> None:
    """Allowed by the operator, and asked by one of many tenants."""
    http = reached_by_others(house, client, egress_allow="127.0.0.1")
    details = set()
    for behave in (answering(body=b"root:x:0:0"), answering("404 Not Found"), lambda connection: connection.close()):
        with serving(behave) as server:
            details.add(refused(http, [server.url()])["detail"])
    details.add(refused(http, [server.url()])["detail"])  # closed by now
    assert details == {"images[0] could not be fetched: 127.0.0.1 gave no usable response"}
