"""Links to archives that need no key."""

import base64
import hmac
import io
import zipfile
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

from api.batches import links as batch_links
from shared.access.keys import Scope
from shared.ids import DEFAULT_TENANT
from shared.store.access.keys import KeyStore
from tests.workers.batches.shop import Json, Shop, some_lines


def a_link(shop: Shop, batch: Json, kind: str, **fields: str) -> Json:
    return dict(shop.http.get(f"/v1/batches/{batch['id']}/archive_link?format={kind}", headers=fields).get_json())


def path_of(link: Json) -> str:
    return urlsplit(link["url"]).path


def test_a_link_needs_no_key_and_everything_else_does(shop: Shop) -> None:
    batch = shop.run(shop.create(some_lines(2)))
    _, key = KeyStore(shop.client).create(DEFAULT_TENANT, [Scope.READ])
    assert shop.http.get(f"/v1/batches/{batch['id']}/archive_link").status_code == 401
    link = a_link(shop, batch, "zip", Authorization=f"Bearer {key}")
    answer = shop.http.get(path_of(link))
    assert answer.status_code == 200
    assert len(zipfile.ZipFile(io.BytesIO(answer.data)).namelist()) == 3
    assert shop.http.get(f"/v1/batches/{batch['id']}/archive").status_code == 401


def test_a_link_is_for_one_archive_and_one_time(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    batch, other = (shop.run(shop.create(some_lines(1))) for _ in range(2))
    link = a_link(shop, batch, "tar")
    path = path_of(link)
    later = str(link["expires_at"] + 1)
    forged = [
        path.replace(batch["id"], other["id"]),
        path.replace(".tar", ".zip"),
        path.replace(str(link["expires_at"]), later),
        path[:-5] + ("0" if path[-5] != "0" else "1") + ".tar",
        path.replace("/archives/", "/archives/x"),
    ]
    assert {shop.http.get(each).status_code for each in forged} == {404}
    assert shop.http.get(path).status_code == 200
    monkeypatch.setattr(batch_links, "time", SimpleNamespace(time=lambda: link["expires_at"]))
    assert shop.http.get(path).status_code == 404


def test_receivers_of_webhooks_cannot_make_a_link(shop: Shop) -> None:
    batch = shop.run(shop.create(some_lines(1)))
    made = path_of(a_link(shop, batch, "tar"))
    expires_at = made.rpartition("/")[2].partition("-")[0]
    secret = shop.http.get("/v1/webhooks/secret").get_json()["secret"]
    for key in (secret.encode(), base64.b64decode(secret.removeprefix("whsec_"))):
        words = f"archive tar of {batch['id']} until {expires_at}"
        assert not made.endswith(f"-{hmac.digest(key, words.encode(), 'sha256').hex()}.tar")


def test_nobody_gets_a_link_to_another_tenants_batch(shop: Shop) -> None:
    assert shop.http.get(f"/v1/batches/batch_{'0' * 26}/archive_link").status_code == 404
