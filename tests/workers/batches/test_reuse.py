"""`reuse`: the same request of the same tenant gets a copy of an earlier picture instead of a new render."""

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from api.app import create_app
from api.services import Services
from shared.access.keys import Scope
from shared.errors import LeaseLost
from shared.ids import JobId, ObjectKey, Revision, TenantId, WorkerId
from shared.jobs.job import Picture
from shared.jobs.leases import Claim
from shared.jobs.states import Stage
from shared.jobs.usage import usage_of
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client
from shared.store.jobs.deleted import DeletedJobStore
from shared.store.reuse.reuse import ReusablePictures, digest_of
from tests.shared.store.builders import REVISION, a_prior
from tests.workers.batches.shop import Json, Shop, a_line, jsonl
from tests.workers.batches.test_delete import sweep
from workers.batches.main import make_service
from workers.stage.reuse import Reuse
from workers.upkeep.deleted_jobs import delete_objects_of_deleted_jobs
from workers.upkeep.erasure import Eraser

GLOBEX = TenantId("globex")
OTHER = Revision("other-weights")


@dataclass
class ReuseShop(Shop):
    """Its workers do as real ones: the AR worker looks for an earlier picture, the DiT worker notes each new one."""

    revision: Revision = REVISION
    drawn: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.reuse = Reuse(ReusablePictures(self.client, 3600), self.house.objects)

    def render(self, most: int = 1_000_000) -> int:
        for count in range(most):
            claim = self.claim(Stage.AR)
            if claim is None:
                return count
            if not self.reuse.answer(self.leases, claim):
                self.draw(claim)
        return most

    def claim(self, stage: Stage) -> Claim | None:
        return self.leases.claim(stage, self.revision, WorkerId("w"))

    def draw(self, claim: Claim) -> None:
        self.leases.finish_prior(claim.lease, a_prior(), device_s=0.5)
        decode = self.claim(Stage.DIT)
        assert decode
        picture = self.picture_of(decode)
        self.reuse.note(decode, picture)
        self.leases.finish_picture(decode.lease, picture, usage_of(decode, picture, 1.25))
        self.drawn.append(claim.settings.prompt)

    def picture_of(self, claim: Claim) -> Picture:
        data = f"picture {len(self.drawn)} of {claim.settings.prompt}".encode()
        keys = [ObjectKey(f"{claim.folder}/{name}") for name in ("image.png", "manifest.json")]
        picture = Picture(keys[0], keys[1], hashlib.sha256(data).hexdigest(), len(data), "image/png")
        facts = {"key": picture.key, "sha256": picture.sha256, "bytes": len(data), "content_type": "image/png"}
        manifest = {
            "job_id": claim.job_id,
            "seed": claim.seed,
            "picture": facts,
            "token_grid": {"key": picture.grid_key},
        }
        for key, text in zip(
            (*keys, picture.grid_key), (data, json.dumps(manifest).encode(), a_prior().to_bytes()), strict=True
        ):
            self.house.objects.put(key, text, "x/y")
        return picture

    def job(self, **body: object) -> Json:
        asked = {"prompt": "a fox", "seed": 7, "reuse": True, **body}
        answer = self.http.post("/v1/jobs", json=asked)
        assert answer.status_code == 202, answer.text
        self.render()
        return dict(self.http.get(f"/v1/jobs/{answer.get_json()['id']}").get_json())

    def source_of(self, job: Json) -> str | None:
        found = job["images"][0]["reused_from"]
        return found and str(found["job_id"])

    def bytes_of(self, job: Json) -> bytes:
        return bytes(self.http.get(f"/v1/jobs/{job['id']}/images/0?size=original").data)


@pytest.fixture
def shop(house: Services, client: Client) -> ReuseShop:
    settings = house.settings.model_copy(update={"batch_spare": 8, "s3_links": "streamed"})
    house = replace(house, settings=settings)
    return ReuseShop(house, client, make_service(client, house.objects, house.hints, house.settings))


def usage(shop: Shop) -> Json:
    [row] = shop.http.get("/v1/usage?group_by=").get_json()["data"]
    return {name: value for name, value in row.items() if isinstance(value, int | float)}


@pytest.mark.parametrize("endpoint", ["/v1/jobs", "/v1/images/generations"])
def test_a_later_batch_gets_copies_of_the_pictures_of_an_earlier_one(shop: ReuseShop, endpoint: str) -> None:
    lines = jsonl([a_line(number, endpoint, seed=number) for number in range(3)])
    first = shop.run(shop.create(lines, endpoint, defaults={"reuse": True}))
    again = jsonl([a_line(number, endpoint, seed=number) for number in (4, 2, 1)])
    second = shop.run(shop.create(again, endpoint, defaults={"reuse": True}, output_prefix="p"))
    assert shop.drawn == [f"picture {number}" for number in (0, 1, 2, 4)]
    jobs = {line["custom_id"]: line["job_id"] for line in shop.results(first)}
    for line in shop.results(second):
        body = line["response"]["body"]
        [image] = body.get("images") or body["data"]
        source = image.get("reused_from")
        assert source == (None if line["custom_id"] == "line-4" else {"job_id": jobs[line["custom_id"]], "index": 0})
        assert image["key"].startswith(f"jobs/{line['job_id']}/")
        assert hashlib.sha256(shop.house.objects.get(image["output_key"])).hexdigest() == image["sha256"]
    assert second["request_counts"] == {"total": 3, "completed": 3, "failed": 0}


def test_a_copy_is_a_picture_of_its_own_and_counts_without_work(shop: ReuseShop) -> None:
    first = shop.job()
    one = usage(shop)
    second = shop.job()
    assert (shop.source_of(first), shop.source_of(second)) == (None, first["id"])
    assert shop.bytes_of(second) == shop.bytes_of(first)
    assert (second["status"], second["reuse"], second["images"][0]["attempts"]) == ("succeeded", True, 1)
    two = usage(shop)
    same = {"denoise_steps", "ar_tokens", "ar_device_s", "dit_device_s"}
    assert {name: two[name] for name in one} == {name: one[name] * (1 if name in same else 2) for name in one}
    job = shop.house.store.job_of_any_tenant(JobId(second["id"]))
    picture = job.renders[0].picture
    assert picture
    manifest = json.loads(shop.house.objects.get(picture.manifest_key))
    assert (manifest["job_id"], manifest["picture"]["key"]) == (second["id"], picture.key)
    assert (manifest["reused_from"], manifest["usage"]["ar_tokens"]) == (f"{first['id']}:0000", 0)
    assert shop.house.objects.get(picture.grid_key) == a_prior().to_bytes()
    assert shop.source_of(shop.job()) == second["id"]


DIFFERENT: list[dict[str, object]] = [
    {"seed": 8},
    {"prompt": "a dog"},
    {"size": "512x512"},
    {"num_inference_steps": 9},
    {"output_format": "webp"},
    {"embed_metadata": False},
    {"reuse": False},
]


def test_another_request_is_rendered(shop: ReuseShop) -> None:
    first = shop.job()
    for body in DIFFERENT:
        assert shop.source_of(shop.job(**body)) is None, body
    assert shop.source_of(shop.job(metadata={"a": "b"}, priority="batch")) == first["id"]
    shop.revision = OTHER
    assert shop.source_of(shop.job()) is None
    several = shop.job(prompt="many", n=2)
    assert shop.source_of(shop.job(prompt="many", seed=8)) == several["id"]


def test_no_tenant_gets_a_picture_of_another(shop: ReuseShop) -> None:
    keys = [KeyStore(shop.client).create(name, [Scope.ADMIN])[1] for name in (TenantId("acme"), GLOBEX)]
    jobs = []
    for key in (*keys, *keys):
        shop.http = create_app(shop.house).test_client()
        shop.http.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {key}"
        jobs.append(shop.job())
    assert [shop.source_of(job) for job in jobs] == [None, None, jobs[0]["id"], jobs[1]["id"]]
    assert shop.client.exists("gridpress:reuse:globex", "gridpress:reuse_ends:globex") == 2
    shop.http.delete("/v1/tenants/globex/data", json={"confirm": GLOBEX})
    eraser = Eraser(shop.client, shop.house.objects)
    for _ in range(40):
        eraser.step()
    assert shop.client.exists("gridpress:reuse:globex", "gridpress:reuse_ends:globex") == 0
    assert shop.client.exists("gridpress:reuse:acme") == 1


def test_a_copy_outlives_its_source_and_a_deleted_picture_is_not_copied(shop: ReuseShop) -> None:
    first = shop.job()
    second = shop.job(seed=7)
    shop.http.delete(f"/v1/jobs/{first['id']}")
    while delete_objects_of_deleted_jobs(DeletedJobStore(shop.client), shop.house.objects):
        pass
    assert shop.bytes_of(second).startswith(b"picture 0")
    shop.http.delete(f"/v1/jobs/{second['id']}")  # its objects are still there
    third = shop.job()
    assert (shop.source_of(third), len(shop.drawn)) == (None, 2)
    batch = shop.run(shop.create(jsonl([a_line(0, prompt="b", seed=1, reuse=True)])))
    shop.http.delete(f"/v1/batches/{batch['id']}")
    assert shop.source_of(shop.job(prompt="b", seed=1)) is None
    sweep(shop)


def test_a_picture_whose_objects_are_gone_or_broken_is_rendered_again(shop: ReuseShop) -> None:
    for name, text in (("image.png", None), ("prior.gpg", None), ("manifest.json", b"{"), ("manifest.json", b"[]")):
        job = shop.house.store.job_of_any_tenant(JobId(shop.job()["id"]))
        picture = job.renders[0].picture
        assert picture
        key = ObjectKey(f"{picture.key.rpartition('/')[0]}/{name}")
        shop.house.objects.delete(key) if text is None else shop.house.objects.put(key, text, "x/y")
        assert shop.source_of(shop.job()) is None
        shop.client.delete("gridpress:reuse:default")


def test_a_worker_that_lost_its_lease_before_the_copy_was_recorded_changes_nothing(shop: ReuseShop) -> None:
    first, before = shop.job(), None
    asked = shop.http.post("/v1/jobs", json={"prompt": "a fox", "seed": 7, "reuse": True}).get_json()
    claim = shop.claim(Stage.AR)
    assert claim
    shop.leases.hand_back(claim.lease)
    before = usage(shop)
    with pytest.raises(LeaseLost):
        shop.reuse.answer(shop.leases, claim)
    assert usage(shop) == before
    shop.render()
    assert shop.source_of(shop.http.get(f"/v1/jobs/{asked['id']}").get_json()) == first["id"]


def test_the_index_has_an_end_and_a_largest_size(shop: ReuseShop) -> None:
    first = shop.job()
    [digest] = shop.client.hkeys("gridpress:reuse:default")
    assert 3590 < shop.client.ttl("gridpress:reuse:default") <= 3600
    shop.client.zadd("gridpress:reuse_ends:default", {digest: 0})
    assert shop.source_of(shop.job()) is None
    assert shop.client.hlen("gridpress:reuse:default") == 1
    shop.reuse = Reuse(ReusablePictures(shop.client, 3600, most=3), shop.house.objects)
    for seed in range(5):
        shop.job(prompt="x", seed=seed)
    assert shop.client.hlen("gridpress:reuse:default") == shop.client.zcard("gridpress:reuse_ends:default") == 3
    assert [bool(shop.source_of(shop.job(prompt="x", seed=seed))) for seed in (4, 0)] == [True, False]
    assert first["status"] == "succeeded"


def test_a_condition_image_counts_by_its_content(shop: ReuseShop) -> None:
    shop.http.post("/v1/jobs", json={"prompt": "a", "seed": 1})
    claim = shop.claim(Stage.AR)
    assert claim
    digests = [
        digest_of(replace(claim, settings=claim.settings.model_copy(update={"images": tuple(map(ObjectKey, keys))})))
        for keys in (
            [f"inputs/t/{'a' * 64}-0123456789abcdef.png", f"inputs/t/{'b' * 64}-1.png"],
            [f"inputs/t/{'a' * 64}-fedcba9876543210.png", f"inputs/t/{'b' * 64}-2.png"],
            [f"inputs/t/{'b' * 64}-1.png", f"inputs/t/{'a' * 64}-1.png"],
        )
    ]
    assert digests[0] == digests[1] != digests[2]


def test_reuse_needs_a_seed_and_no_prior(shop: ReuseShop) -> None:
    first = shop.job()
    bad: list[dict[str, Any]] = [
        {"prompt": "a"},
        {"prior": {"job_id": first["id"]}, "seed": 1},
        {"prompt": "a", "seed": 1},
    ]
    bad[2]["reuse"] = "perhaps"
    for body in bad:
        answer = shop.http.post("/v1/jobs", json={"reuse": True, **body})
        assert (answer.status_code, answer.get_json()["field"]) == (400, "reuse"), answer.text
    batch = shop.run(shop.create(jsonl([a_line(0), a_line(1, seed=3)]), defaults={"reuse": True}))
    assert batch["request_counts"] == {"total": 2, "completed": 1, "failed": 1}
