"""Where a person begins."""

import re

import pytest
from flask.testing import FlaskClient

from api.services import Services
from tests.api.conftest import with_settings


def test_the_start_leads_to_what_answers(http: FlaskClient) -> None:
    answer = http.get("/")
    assert answer.status_code == 200
    for name, link in answer.get_json()["links"].items():
        assert http.get(link).status_code == 200, name


BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


def test_the_start_leads_a_browser_to_the_studio(http: FlaskClient, house: Services) -> None:
    answer = http.get("/", headers=BROWSER)
    assert (answer.status_code, answer.headers["Location"], answer.headers["Vary"]) == (302, "/studio", "Accept")
    below = with_settings(house, public_url="https://pictures.example.com/base").get("/", headers=BROWSER)
    assert below.headers["Location"] == "/base/studio"


@pytest.mark.parametrize("accepted", [None, "*/*", "application/json", "application/json, text/html;q=0.9"])
def test_the_start_stays_json_for_programs(http: FlaskClient, accepted: str | None) -> None:
    answer = http.get("/", headers={"Accept": accepted} if accepted else {})
    assert (answer.status_code, answer.get_json()["service"]) == (200, "gridpress")


def test_the_reference_works_from_any_host_name(http: FlaskClient, house: Services) -> None:
    assert http.get("/openapi.json").get_json()["servers"] == [{"url": "/"}]
    below = with_settings(house, public_url="https://pictures.example.com/base")
    assert below.get("/openapi.json").get_json()["servers"] == [{"url": "/base"}]


def test_the_page_takes_everything_from_here(http: FlaskClient) -> None:
    page = http.get("/docs")
    assert page.content_type == "text/html; charset=utf-8"
    parts = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(parts) == 4
    for part in parts:
        assert "//" not in part
        assert http.get(f"/{part}").status_code == 200, part
    assert "<script>" not in page.text
    assert 'url: "openapi.json"' in http.get("/docs/start.js").text


def test_scripts_run_only_when_they_are_ours(house: Services) -> None:
    answer = with_settings(house, public_url="https://pictures.example.com/base").get("/docs")
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "connect-src 'self' https://pictures.example.com;" in policy


@pytest.mark.parametrize("name", ["oauth2-redirect.html", "index.html", "..%2fflask_swagger_ui.py", "VERSION", "x.js"])
def test_nothing_else_of_the_package_is_served(http: FlaskClient, name: str) -> None:
    assert http.get(f"/docs/{name}").status_code == 404


def test_start_and_docs_take_no_key(house: Services) -> None:
    http = with_settings(house, host="0.0.0.0")
    assert [http.get(path).status_code for path in ("/", "/docs", "/docs/start.js")] == [200, 200, 200]
