"""Fills both stores with work of an earlier release, in many states, and dumps them:

    python -m tests.upgrade.fill CHECKOUT STORE.json.gz OBJECTS.json.gz

CHECKOUT is a checkout of that release. Its own processes do everything, with simulated engines. The next release has to
open the dump and finish all work in it.
"""

import base64
import json
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from shared.objects.store import ObjectStore
from shared.settings.settings import Settings
from shared.store.core.connect import Client, connect
from tests.api.pictures import data_url, png
from tests.chaos.receiver import CountingReceiver
from tests.upgrade.dumped import dump_objects, dump_store
from tests.upgrade.release import Process, Release, environment_of, stores, wait_until

SECRET = "whsec_" + base64.b64encode(b"of all webhooks in the dump").decode()
NAMES = "test:names"  # hash: name of a job, batch or key -> its id or text
ORDER = {"idempotency-key": "order-17"}
ORDERED = {"prompt": "waits for AR", "size": "256x256", "seed": 17, "n": 2}
SLOW = "simulate:ar=600s,dit=600s"


class Filling:
    """`names` says which job or batch is in which state."""

    def __init__(self, old: Release, api: Process, client: Client, webhook_url: str) -> None:
        self.old, self.client, self.webhook_url = old, client, webhook_url
        self.names: dict[str, str] = {}
        self._http = httpx.Client(base_url=api.url, timeout=20.0, trust_env=False)

    def key(self, name: str, *options: str) -> None:
        """Creates an API key; the last one created by the name `shop` is used from then on."""
        self.names[f"key-{name}"] = text = self.old.command("keys", "create", *options).split()[-1]
        if name == "shop":
            self._http.headers["authorization"] = f"Bearer {text}"

    def submit(self, name: str, headers: Mapping[str, str] | None = None, **changes: Any) -> str:
        """A request with headers has no receiver of its own, so that the same request can be sent to another port."""
        own = {"webhook_url": self.webhook_url, "webhook_secret": SECRET}
        asked = {"prompt": name, "size": "256x256", "seed": len(self.names), **own, **changes}
        self.names[name] = str(self._sent("/v1/jobs", json=changes if headers else asked, headers=headers)["id"])
        return self.names[name]

    def batch(self, name: str, num_lines: int, **changes: Any) -> None:
        lines = "\n".join(map(_line, range(num_lines)))
        files = {"file": ("lines.jsonl", lines.encode())}
        file_id = self._sent("/v1/files", data={"purpose": "batch"}, files=files)["id"]
        self.names[f"file-{name}"] = str(file_id)
        asked = {"input_file_id": file_id, "endpoint": "/v1/jobs", "completion_window": "24h", **changes}
        self.names[name] = str(self._sent("/v1/batches", json=asked)["id"])

    def endpoint(self) -> None:
        self._sent("/v1/webhook_endpoints", json={"url": f"{self.webhook_url}/all", "secret": SECRET})

    def act(self, path: str) -> None:
        self._sent(path)

    def wait_for(self, name: str, status: str) -> None:
        wait_until(lambda: self._read(name)["status"] == status)

    def wait_for_state(self, name: str, state: str) -> None:
        wait_until(lambda: any(image["status"] == state for image in self._read(name)["images"]))

    def wait_for_lines(self, name: str, num: int) -> None:
        wait_until(lambda: self._read(name)["request_counts"]["completed"] >= num)

    def _read(self, name: str) -> dict[str, Any]:
        of = "batches" if self.names[name].startswith("batch_") else "jobs"
        return dict(self._http.get(f"/v1/{of}/{self.names[name]}").raise_for_status().json())

    def _sent(self, path: str, **arguments: Any) -> dict[str, Any]:
        return dict(self._http.post(path, **arguments).raise_for_status().json())


def _line(number: int) -> str:
    body = {"prompt": f"line {number}", "size": "256x256", "seed": 100 + number}
    return json.dumps({"custom_id": f"line-{number}", "method": "POST", "url": "/v1/jobs", "body": body})


def _fill(filling: Filling, old: Release, receiver: "ShyReceiver") -> None:
    """Ended work first, then work that waits or runs. Everything is killed in the end."""
    filling.key("admin", "--scope", "admin", "--scope", "operator")
    filling.key("shop", "--tenant", "shop", "--scope", "admin", "--requests-per-minute", "5000", "--weight", "2")
    filling.key("revoked", "--tenant", "shop")
    old.command("keys", "revoke", filling.names["key-revoked"].split("_")[1])
    old.start_all("ar", "dit", model="simulate:ar=300ms,dit=0", ar_slots="1")
    filling.endpoint()
    filling.submit("told", n=2)
    filling.submit("edit-told", images=[data_url(png())])
    filling.submit("failed", prompt="[simulate fail in dit]")
    filling.batch("batch-done", 1)
    filling.wait_for("batch-done", "completed")
    told = [filling.names[name] for name in ("told", "edit-told", "failed")]
    wait_until(lambda: all(list(receiver.ids_of(job_id).values()) == [2] for job_id in told))
    receiver.is_silent = True
    filling.submit("untold")
    filling.wait_for("untold", "succeeded")
    filling.batch("batch-paused", 2)
    filling.act(f"/v1/batches/{filling.names['batch-paused']}/pause")
    filling.batch("batch-half", 4)
    filling.wait_for_lines("batch-half", 1)
    for process in old.processes[-2:]:
        process.stop()
    _begin(filling, old)


def _begin(filling: Filling, old: Release) -> None:
    """Jobs that run in each stage, and jobs that wait for each. Whoever holds a lease is killed."""
    ar, dit = old.start_all("ar", "dit", model="simulate:ar=0,dit=600s", dit_slots="8")
    filling.submit("runs-in-dit", n=2)
    filling.wait_for_state("runs-in-dit", "decode_running")
    dit.kill()
    filling.submit("waits-for-dit", images=[data_url(png())])
    filling.wait_for_state("waits-for-dit", "prior_ready")
    ar.stop()
    old.start_all("ar", model="simulate:ar=600s", ar_slots="1")
    filling.submit("runs-in-ar")
    filling.wait_for_state("runs-in-ar", "prior_running")
    filling.submit("waits-for-ar", headers=ORDER, **ORDERED)
    filling.submit("cancelled")
    filling.act(f"/v1/jobs/{filling.names['cancelled']}/cancel")
    for process in old.processes:
        process.kill()


class ShyReceiver(CountingReceiver):
    """Refuses all webhooks once it is silent."""

    is_silent = False

    def receive(self, body: bytes, headers: dict[str, str]) -> bool:
        return not self.is_silent and super().receive(body, headers)


def main(checkout: Path, store_file: Path, objects_file: Path) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis_url, s3 = stack.enter_context(stores(folder))
        receiver = stack.enter_context(ShyReceiver(SECRET))
        environment = environment_of(redis_url, s3, folder, SECRET) | {"GRIDPRESS_LEASE_TTL_S": "60"}
        old = stack.enter_context(Release("old", folder, environment, checkout.resolve()))
        *_, api = old.start_all("upkeep", "delivery", "batches", "api")
        client = connect(redis_url)
        filling = Filling(old, api, client, receiver.url)
        _fill(filling, old, receiver)
        client.hset(NAMES, mapping=filling.names)
        dump_store(client, store_file, receiver.port)
        secret = SecretStr(s3.secret_key)
        settings = Settings(s3_endpoint_url=s3.url, s3_access_key=s3.access_key, s3_secret_key=secret)
        dump_objects(ObjectStore(settings), objects_file)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
