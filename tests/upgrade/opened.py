"""A service of this release on the stores that an earlier release filled (fill.py)."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import httpx

from shared.objects.store import ObjectStore
from shared.store.core.connect import Client
from tests.chaos.receiver import CountingReceiver
from tests.upgrade.fill import NAMES
from tests.upgrade.release import wait_until

ENDS = ("succeeded", "failed", "cancelled")
JOBS = {
    "told": "succeeded",
    "edit-told": "succeeded",
    "failed": "failed",
    "untold": "succeeded",
    "runs-in-dit": "succeeded",
    "waits-for-dit": "succeeded",
    "runs-in-ar": "succeeded",
    "waits-for-ar": "succeeded",
    "cancelled": "cancelled",
}
TOLD = ("told", "edit-told", "failed")


def num_pictures(client: Client) -> int:
    """Returns the number of renders with a picture in the store."""
    return sum(bool(client.hexists(key, "picture")) for key in client.scan_iter("gridpress:render:*"))


class Opened:
    """The names of jobs, batches and keys are those of the filling. `num_before`: pictures before the upgrade."""

    def __init__(
        self, url: str, client: Client, objects: ObjectStore, receiver: CountingReceiver, num_before: int
    ) -> None:
        self.client, self.objects, self.receiver = client, objects, receiver
        self.names: dict[str, str] = client.hgetall(NAMES)
        self.num_before = num_before
        self._http = httpx.Client(base_url=url, timeout=20.0, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, key: str = "shop", **query: Any) -> Any:
        return self._http.get(path, headers=self._of(key), params=query).raise_for_status().json()

    def post(self, path: str, key: str = "shop", headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
        return self._http.post(path, headers=self._of(key) | (headers or {}), json=body or None)

    def job(self, name: str) -> dict[str, Any]:
        return dict(self.get(f"/v1/jobs/{self.names[name]}"))

    def batch(self, name: str) -> dict[str, Any]:
        return dict(self.get(f"/v1/batches/{self.names[name]}"))

    def wait_until_all_has_ended(self) -> None:
        """Jobs, batches and webhooks. A paused batch is resumed first."""
        assert self.batch("batch-paused")["paused"]
        resumed = self.post(f"/v1/batches/{self.names['batch-paused']}/resume")
        assert resumed.is_success, resumed.text
        wait_until(lambda: all(self.job(name)["status"] in ENDS for name in JOBS))
        wait_until(lambda: all(self.batch(name)["status"] == "completed" for name in ("batch-half", "batch-paused")))
        wait_until(lambda: not any(self.client.scan_iter("gridpress:due:*")) and not self.client.exists(*_DELIVERY))

    def webhooks_of(self, name: str) -> Counter[str]:
        """How often each webhook of a job came."""
        return Counter(dict(self.receiver.ids_of(self.names[name])))

    def pictures_of(self, job_id: str) -> Sequence[str]:
        """The keys of all picture objects of a job."""
        return [
            each.key for page in self.objects.entries(f"jobs/{job_id}/") for each in page if each.key.endswith(".png")
        ]

    def has_checksum(self, key: Any, sha256: str) -> bool:
        return hashlib.sha256(self.objects.get(key)).hexdigest() == sha256

    def _of(self, key: str) -> dict[str, str]:
        return {"authorization": f"Bearer {self.names[f'key-{key}']}"}


_DELIVERY = ("gridpress:manifests",)
