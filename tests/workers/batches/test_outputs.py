"""Copies of a batch's pictures under its `output_prefix`, with a manifest, and the names in its archive."""

import io
import json
import zipfile
from typing import Any

import pytest

from api.app import create_app
from shared.access.keys import Scope
from shared.errors import ObjectStoreUnavailable
from shared.ids import ObjectKey, TenantId
from shared.objects.store import ObjectStore
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from tests.workers.batches.shop import PNG, Json, Shop, a_line, jsonl, some_lines
from tests.workers.batches.test_delete import sweep
from workers.upkeep.batches import purge_old_batches
from workers.upkeep.erasure import Eraser

ACME, GLOBEX = TenantId("acme"), TenantId("globex")
PREFIX = "catalogue/spring"


def outputs(shop: Shop, folder: str) -> dict[str, bytes]:
    objects = shop.house.objects
    return {each.key: objects.get(each.key) for page in objects.entries(folder) for each in page}


def named(custom_id: str, **body: object) -> Json:
    return {**a_line(0, **body), "custom_id": custom_id}


def stored(shop: Shop) -> int:
    return int(shop.client.get("gridpress:stored:default") or 0)


@pytest.mark.parametrize("endpoint", ["/v1/jobs", "/v1/images/generations"])
def test_each_finished_picture_lies_under_the_prefix_by_its_custom_id(shop: Shop, endpoint: str) -> None:
    shop.fails = lambda claim: claim.settings.prompt == "fails"
    bodies = {"mug-17": {}, "a/../b": {}, "pair": {"n": 2}, "bad": {"prompt": "fails"}}
    lines = [{**a_line(0, endpoint, **body), "custom_id": name} for name, body in bodies.items()]
    batch = shop.run(shop.create(jsonl(lines), endpoint, output_prefix=f"{PREFIX}/"))
    folder = f"outputs/default/{PREFIX}/{batch['id']}/"
    assert (batch["output_prefix"], batch["output_folder"]) == (PREFIX, folder)
    found = outputs(shop, folder)
    told = [json.loads(line) for line in found.pop(f"{folder}manifest.jsonl").splitlines()]
    assert set(found.values()) == {PNG}
    assert sorted(found) == sorted(picture["output_key"] for picture in told)
    assert {f"{folder}{name}.png" for name in ("mug-17", "pair--0", "pair--1")} < set(found)
    assert [picture["output_key"].removeprefix(folder) for picture in told] == [each["file"] for each in told]
    assert {(picture["bytes"], picture["sha256"]) for picture in told} == {(len(PNG), "0" * 64)}
    answered = shop.http.get(f"/v1/batches/{batch['id']}/manifest").data.splitlines()
    assert [json.loads(line) for line in answered] == told
    archive = zipfile.ZipFile(io.BytesIO(shop.http.get(f"/v1/batches/{batch['id']}/archive?format=zip").data))
    assert set(archive.namelist()) == {
        f"{batch['id']}/{name}" for name in ("manifest.jsonl", *(p["file"] for p in told))
    }


def test_copies_count_as_stored_and_are_deleted_with_the_batch(shop: Shop) -> None:
    other = shop.run(shop.create(some_lines(1), output_prefix="catalogue/summer"))
    plain = shop.run(shop.create(some_lines(2)))
    folder, before = "outputs/default/catalogue/summer/", stored(shop)
    batch = shop.run(shop.create(some_lines(2), output_prefix="catalogue/summer"))
    size = len(shop.http.get(f"/v1/files/{batch['input_file_id']}/content").data)
    size += len(shop.http.get(f"/v1/files/{batch['output_file_id']}/content").data)
    assert stored(shop) == before + size + 2 * 2 * len(PNG)
    assert plain["output_folder"] is None
    assert shop.http.delete(f"/v1/batches/{batch['id']}").status_code == 204
    sweep(shop)
    shop.http.delete(f"/v1/files/{batch['input_file_id']}")
    assert set(outputs(shop, folder)) == set(outputs(shop, other["output_folder"]))
    assert len(outputs(shop, folder)) == 2
    assert stored(shop) == before


def test_copies_stay_when_the_record_of_the_batch_is_purged(shop: Shop) -> None:
    batch = shop.run(shop.create(some_lines(1), output_prefix="kept"))
    shop.client.zadd("gridpress:batch_ends", {batch["id"]: 0})
    purge_old_batches(shop.house.batches, shop.house.objects, retention_s=30)
    assert shop.http.get(f"/v1/batches/{batch['id']}").status_code == 404
    assert set(outputs(shop, batch["output_folder"])) == {
        batch["output_folder"] + name for name in ("line-0.png", "manifest.jsonl")
    }


def test_a_step_that_is_repeated_after_an_outage_counts_each_copy_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = shop.create(some_lines(4), output_prefix="again")
    shop.work()
    shop.render()
    before, copy, calls = stored(shop), ObjectStore.copy, iter(range(100))

    def breaks(objects: ObjectStore, key: ObjectKey, to: ObjectKey) -> None:
        if next(calls) == 2:
            raise ObjectStoreUnavailable("it is gone")
        copy(objects, key, to)

    monkeypatch.setattr(ObjectStore, "copy", breaks)
    shop.stir()
    shop.service.work_one()
    assert shop.results(batch) == []
    assert stored(shop) == before
    found = shop.run(batch)
    assert len(outputs(shop, found["output_folder"])) == 5
    assert int(shop.client.hget(f"gridpress:batch:{batch['id']}", "stored") or 0) == 4 * len(PNG)


BAD: list[Any] = [
    "",
    "/",
    "/a",
    "a//b",
    "..",
    "a/../b",
    ".a",
    "a b",
    "ü",
    "a|b",
    "a\n",
    "a\\b",
    "x" * 201,
    5,
    ["a"],
    "a/-",
]


def test_a_prefix_that_is_no_folder_is_refused(shop: Shop) -> None:
    asked = {"input_file_id": "file-" + "0" * 26, "endpoint": "/v1/jobs", "completion_window": "24h"}
    for prefix in BAD:
        answer = shop.http.post("/v1/batches", json={**asked, "output_prefix": prefix})
        assert (answer.status_code, answer.get_json()["error"]["param"]) == (400, "output_prefix"), prefix


def test_custom_ids_that_differ_only_in_case_need_no_prefix(shop: Shop) -> None:
    lines = jsonl([named("Mug"), named("mug")])
    refused = shop.run(shop.create(lines, output_prefix="p"))
    assert refused["status"] == "failed"
    assert [(error["code"], error["line"]) for error in refused["errors"]["data"]] == [("duplicate_custom_id", 2)]
    batch = shop.run(shop.create(lines))
    data = shop.http.get(f"/v1/batches/{batch['id']}/archive?format=zip").data
    files = {name.rpartition("/")[2].casefold() for name in zipfile.ZipFile(io.BytesIO(data)).namelist()}
    assert len(files) == 3


def test_each_tenant_has_a_folder_of_its_own_and_erasure_empties_one(shop: Shop, client: Client) -> None:
    keys = {name: KeyStore(client).create(name, [Scope.ADMIN])[1] for name in (ACME, GLOBEX)}
    batches = {}
    for name, key in keys.items():
        shop.http = create_app(shop.house).test_client()
        shop.http.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {key}"
        form = {"purpose": "batch", "file": (io.BytesIO(some_lines(1)), "in.jsonl")}
        file = shop.http.post("/v1/files", data=form).get_json()["id"]
        asked = {"input_file_id": file, "endpoint": "/v1/jobs", "completion_window": "24h", "output_prefix": "p"}
        batches[name] = shop.run(shop.http.post("/v1/batches", json=asked).get_json())
        assert batches[name]["output_folder"] == f"outputs/{name}/p/{batches[name]['id']}/"
    assert shop.http.get(f"/v1/batches/{batches[ACME]['id']}/manifest").status_code == 404
    assert shop.http.get(f"/v1/batches/{batches[ACME]['id']}/archive").status_code == 404
    assert shop.http.delete(f"/v1/batches/{batches[ACME]['id']}").status_code == 404
    assert shop.http.delete(f"/v1/tenants/{GLOBEX}/data", json={"confirm": GLOBEX}).status_code in (200, 202)
    eraser = Eraser(client, shop.house.objects)
    for _ in range(40):
        eraser.step()
    assert outputs(shop, f"outputs/{GLOBEX}/") == {}
    assert len(outputs(shop, f"outputs/{ACME}/")) == 2


@pytest.fixture
def named_batch(shop: Shop) -> Json:
    """Its pictures have names of several kinds."""
    lines = [named("mug-17"), named("pair", n=2), named("カップ"), named("a/../b")]
    return shop.run(shop.create(jsonl(lines), output_prefix=PREFIX))


def test_a_picture_is_read_by_the_name_that_the_manifest_says(shop: Shop, named_batch: Json) -> None:
    url = f"/v1/batches/{named_batch['id']}"
    names = [json.loads(line)["file"] for line in shop.http.get(f"{url}/manifest").data.splitlines()]
    assert len(names) == 5
    for name in names:
        answer = shop.http.get(f"{url}/outputs/{name}")
        assert (answer.status_code, answer.content_type, answer.data) == (200, "image/png", PNG), name
        assert shop.http.head(f"{url}/outputs/{name}").content_length == len(PNG)


def test_a_picture_by_name_answers_ranges_and_conditions(shop: Shop, named_batch: Json) -> None:
    url = f"/v1/batches/{named_batch['id']}/outputs/mug-17.png"
    whole = shop.http.get(url)
    part = shop.http.get(url, headers={"Range": "bytes=1-3"})
    assert (part.status_code, part.data, part.headers["ETag"]) == (206, PNG[1:4], whole.headers["ETag"])
    assert shop.http.get(url, headers={"Range": "bytes=99999999-"}).status_code == 416
    assert shop.http.get(url, headers={"If-None-Match": whole.headers["ETag"]}).status_code == 304


@pytest.mark.parametrize("name", ["mug-17.png", "pair--1.png"])
@pytest.mark.parametrize(
    "other", [PNG[:-1], PNG[::-1], b"of another length altogether"], ids=["shorter", "equal", "other"]
)
def test_a_copy_that_is_written_again_has_another_etag(shop: Shop, named_batch: Json, name: str, other: bytes) -> None:
    url, objects = f"/v1/batches/{named_batch['id']}/outputs/{name}", shop.house.objects
    old = shop.http.get(url).headers["ETag"]
    objects.put(ObjectKey(named_batch["output_folder"] + name), other, "image/png")
    for fields in ({"If-None-Match": old}, {"If-Range": old, "Range": "bytes=0-0"}):
        answer = shop.http.get(url, headers=fields)
        assert (answer.status_code, answer.data) == (200, other)
        assert answer.headers["ETag"] != old
    objects.put(ObjectKey(named_batch["output_folder"] + name), PNG, "image/png")
    assert shop.http.get(url, headers={"If-None-Match": old}).status_code == 304


@pytest.mark.parametrize(
    "name",
    ["mug-18.png", "mug-17.jpeg", "mug-17", "manifest.jsonl", "..", "..%2fmug-17.png", "pair.png", f"{'x' * 300}.png"],
)
def test_a_name_without_a_picture_is_not_found(shop: Shop, named_batch: Json, name: str) -> None:
    answer = shop.http.get(f"/v1/batches/{named_batch['id']}/outputs/{name}")
    assert answer.status_code == 404


def test_pictures_by_name_are_those_of_the_tenant_and_of_batches_with_a_prefix(
    shop: Shop, named_batch: Json, client: Client
) -> None:
    plain = shop.run(shop.create(jsonl([named("mug-17")])))
    path = "/v1/batches/{}/outputs/mug-17.png"
    refused = shop.http.get(path.format(plain["id"]))
    assert (refused.status_code, refused.get_json()["error"]["code"]) == (404, "image_not_found")
    headers = [
        {"Authorization": f"Bearer {KeyStore(client).create(tenant, [Scope.READ])[1]}"}
        for tenant in (GLOBEX, TenantId("default"))
    ]
    answers = [shop.http.get(path.format(named_batch["id"]), headers=each) for each in headers]
    assert [answer.status_code for answer in answers] == [404, 200]
    assert answers[0].get_json()["error"]["code"] == "batch_not_found"
