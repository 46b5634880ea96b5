"""A slash at the end of a path changes nothing, and opens no other way to a route."""

import re

import pytest
from flask.testing import FlaskClient

from shared.store.core.connect import Client


def test_every_route_answers_the_same_with_a_slash(http: FlaskClient) -> None:
    http.post("/v1/jobs", json={"prompt": "a"})
    for rule in http.application.url_map.iter_rules():
        path = re.sub(r"<(int:)?[^>]*>", lambda found: "0" if found[1] else "x", rule.rule)
        for method in ((rule.methods or set()) - {"HEAD", "OPTIONS"}) if path not in ("/", "/docs", "/studio") else ():
            body = None if method == "GET" else {"wrong": 1}
            plain, slashed = (http.open(each, method=method, json=body) for each in (path, f"{path}/"))
            assert (slashed.status_code, slashed.content_type) == (plain.status_code, plain.content_type), path
            assert slashed.status_code not in (301, 307, 308)


@pytest.mark.parametrize("path", ["/v1/jobs/", "/v1/jobs/?dry=", "/paas/v4/async/images/generations/"])
def test_a_post_keeps_its_body(http: FlaskClient, path: str) -> None:
    answer = http.post(path.removesuffix("?dry="), json={"prompt": "a kite"})
    assert answer.status_code in (200, 202)
    assert answer.get_json().get("prompt", "a kite") == "a kite"


def test_a_repeated_request_is_known_with_and_without_the_slash(http: FlaskClient) -> None:
    fields = {"Idempotency-Key": "one"}
    answers = [http.post(path, json={"prompt": "a"}, headers=fields) for path in ("/v1/jobs", "/v1/jobs/")]
    assert len({answer.get_json()["id"] for answer in answers}) == 1


@pytest.mark.parametrize(
    "path",
    ["/v1/jobs//", "/v1/jobs%2F", "/v1/jobs%2f/", "/v1/jobs/./", "/v1/../v1/jobs/", "/v1//jobs/"],
)
def test_tricks_with_paths_reach_no_route(http: FlaskClient, client: Client, path: str) -> None:
    answer = http.post(path, json={"prompt": "a"})
    assert answer.status_code in (404, 405)
    assert client.keys("gridpress:job:*") == []


def test_the_page_of_the_reference_keeps_its_links(http: FlaskClient) -> None:
    answer = http.get("/docs/")
    assert (answer.status_code, answer.headers["Location"]) == (308, "../docs")
