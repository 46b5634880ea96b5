"""A whole service in this process, step by step: API, batch worker, and stages that take no time."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import openai

from api.app import create_app
from api.services import Services
from shared.ids import ObjectKey, WorkerId
from shared.jobs.job import Picture
from shared.jobs.leases import Claim
from shared.jobs.states import Stage
from shared.jobs.usage import usage_of
from shared.store.batch_work.work import BatchRules
from shared.store.core.connect import Client
from shared.store.renders.leases import LeaseRules, LeaseStore
from tests.shared.store.builders import REVISION, a_prior
from workers.batches.main import make_service
from workers.batches.service import BatchService

Json = dict[str, Any]
PNG = b"\x89PNG of a picture"


def a_line(number: int, endpoint: str = "/v1/jobs", **body: object) -> Json:
    return {
        "custom_id": f"line-{number}",
        "method": "POST",
        "url": endpoint,
        "body": {"prompt": f"picture {number}", **body},
    }


def jsonl(lines: Sequence[Json]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def some_lines(count: int, endpoint: str = "/v1/jobs", **body: object) -> bytes:
    return jsonl([a_line(number, endpoint, **body) for number in range(count)])


@dataclass
class Shop:
    """`fails` says of a claim whether its render fails."""

    house: Services
    client: Client
    service: BatchService
    fails: Callable[[Claim], bool] = lambda claim: False

    def __post_init__(self) -> None:
        self.http = create_app(self.house).test_client()
        self.leases = LeaseStore(self.client, LeaseRules(ttl_s=30, prior_ready_limit_min=1000))

    def upload(self, lines: bytes) -> str:
        with self.openai() as client:
            return client.files.create(file=("in.jsonl", lines), purpose="batch").id

    def create(self, lines: bytes, endpoint: str = "/v1/jobs", **fields: object) -> Json:
        asked = {"input_file_id": self.upload(lines), "endpoint": endpoint, "completion_window": "24h", **fields}
        answer = self.http.post("/v1/batches", json=asked)
        assert answer.status_code == 200, answer.text
        return dict(answer.get_json())

    def batch(self, batch: Json) -> Json:
        return dict(self.http.get(f"/v1/batches/{batch['id']}").get_json())

    def do(self, batch: Json, action: str) -> Json:
        answer = self.http.post(f"/v1/batches/{batch['id']}/{action}")
        assert answer.status_code == 200, answer.text
        return dict(answer.get_json())

    def work(self) -> None:
        """Steps of the batch worker until nothing is due."""
        while self.service.work_one():
            pass

    def stir(self) -> None:
        """As if the time had come at which every batch is looked at again."""
        for batch in self.client.zrange("gridpress:batch_work", 0, -1):
            self.client.zadd("gridpress:batch_work", {batch: 0})

    def render(self, most: int = 1_000_000) -> int:
        """So many pictures; returns how many there were."""
        for count in range(most):
            claim = self.leases.claim(Stage.AR, REVISION, WorkerId("w"))
            if claim is None:
                return count
            if self.fails(claim):
                self.leases.fail(claim.lease, {"code": "render_failed", "message": "it did not work"})
                continue
            self.leases.finish_prior(claim.lease, a_prior(), device_s=0.5)
            decode = self.leases.claim(Stage.DIT, REVISION, WorkerId("w"))
            assert decode
            picture = self._stored(decode)
            self.leases.finish_picture(decode.lease, picture, usage_of(decode, picture, 1.25))
        return most

    def _stored(self, claim: Claim) -> Picture:
        folder = f"jobs/{claim.job_id}/{claim.index:04d}/{claim.lease.holder}"
        key = ObjectKey(f"{folder}/image.{claim.settings.output_format}")
        self.house.objects.put(key, PNG, "image/png")
        return Picture(key, ObjectKey(f"{folder}/manifest.json"), "0" * 64, len(PNG), "image/png")

    def run(self, batch: Json, most_turns: int = 100) -> Json:
        """Until it is over."""
        for _ in range(most_turns):
            self.stir()
            self.work()
            found = self.batch(batch)
            if found["status"] in ("failed", "completed", "expired", "cancelled"):
                return found
            self.render()
        raise AssertionError(f"it does not end: {found}")

    def lines_of(self, file_id: str | None) -> list[Json]:
        """Of an output or error file; there is none without lines."""
        if file_id is None:
            return []
        return [json.loads(line) for line in self.http.get(f"/v1/files/{file_id}/content").data.splitlines()]

    def results(self, batch: Json) -> list[Json]:
        """All there are now, by pages of three."""
        found: list[Json] = []
        page: Json = {"has_more": True, "last_id": None}
        while page["has_more"]:
            after = f"&after={page['last_id']}" if page["last_id"] else ""
            page = self.http.get(f"/v1/batches/{batch['id']}/results?limit=3{after}").get_json()
            found += page["data"]
        return found

    @contextmanager
    def openai(self) -> Iterator[openai.OpenAI]:
        transport = httpx.WSGITransport(app=self.http.application)  # type: ignore[arg-type]
        http = httpx.Client(transport=transport, follow_redirects=True)
        with openai.OpenAI(api_key="any", base_url="http://localhost/v1", max_retries=0, http_client=http) as client:
            yield client


def a_shop(house: Services, client: Client) -> Shop:
    return Shop(house, client, make_service(client, house.objects, house.hints, house.settings))


__all__ = ["BatchRules", "Shop", "a_line", "a_shop", "jsonl", "some_lines"]
