"""Lines of a batch pass the same checks as requests: where they lead is looked at when they come and when they go."""

import pytest

from shared.access.keys import Scope
from shared.ids import DEFAULT_TENANT
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from tests.shared.egress.servers import answering, serving
from tests.workers.batches.shop import Shop, a_line, jsonl

pytestmark = pytest.mark.attack

INSIDE = [
    "http://127.0.0.1:9333/col/delete?collection=gridpress",
    "https://169.254.169.254/",
    "https://[::ffff:10.0.0.1]/",
]


def with_key(shop: Shop, client: Client) -> None:
    _, text = KeyStore(client).create(DEFAULT_TENANT, [Scope.ADMIN])
    shop.http.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {text}"


@pytest.mark.parametrize("url", INSIDE)
def test_a_line_that_leads_inside_is_refused_when_the_file_is_looked_at(shop: Shop, client: Client, url: str) -> None:
    lines = jsonl([a_line(0, webhook_url=url), a_line(1, images=[url]), a_line(2)])
    asked = {"input_file_id": shop.upload(lines), "endpoint": "/v1/jobs", "completion_window": "24h"}
    with_key(shop, client)
    report = shop.http.post("/v1/batches/validate", json=asked).get_json()
    assert [(each["line"], each["param"]) for each in report["errors"]["data"]] == [
        (1, "webhook_url"),
        (2, "images[0]"),
    ]


def test_a_line_that_was_let_in_before_the_first_key_is_refused_when_it_is_released(shop: Shop, client: Client) -> None:
    with serving(answering(body=b"secret")) as server:
        batch = shop.create(jsonl([a_line(0, images=[server.url()])]))
        with_key(shop, client)
        batch = shop.run(batch)
    assert server.heard == []
    assert batch["request_counts"]["failed"] == 1
