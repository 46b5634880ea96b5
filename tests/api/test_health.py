import pytest
from flask.testing import FlaskClient

from api.services import Services
from shared.errors import ObjectStoreUnavailable, StoreUnavailable


def test_a_service_with_both_stores_is_ready(http: FlaskClient) -> None:
    answer = http.get("/readyz")
    assert (answer.status_code, answer.get_json()["checks"]) == (200, {"store": "ok", "object_store": "ok"})


@pytest.mark.parametrize(
    ("part", "error", "name"),
    [("store", StoreUnavailable, "store"), ("objects", ObjectStoreUnavailable, "object_store")],
)
def test_what_is_missing_is_named_and_the_process_lives_on(
    http: FlaskClient, house: Services, monkeypatch: pytest.MonkeyPatch, part: str, error: type[Exception], name: str
) -> None:
    def fail(_: object) -> None:
        raise error("10.1.2.3 does not answer")

    monkeypatch.setattr(type(getattr(house, part)), "check", fail)
    answer = http.get("/readyz")
    checks = answer.get_json()["checks"]
    assert answer.status_code == 503
    assert [check for check, state in checks.items() if state != "ok"] == [name]
    assert "10.1.2.3" not in answer.text
    assert http.get("/healthz").get_json() == {"status": "ok"}
