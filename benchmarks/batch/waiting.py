"""Measures batches that wait: the ingestion of 50,000 lines, their memory in the store, and whether they slow
claims.
"""

import json
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

from pydantic import SecretStr

from cli.stack.servers.seaweedfs import SeaweedFS
from cli.stack.servers.valkey import Valkey
from shared.batches.batch import BatchSpec, new_batch_id
from shared.files import FileId, file_key, new_file_id
from shared.hints.queues import Queue
from shared.ids import DEFAULT_TENANT, Revision, WorkerId
from shared.jobs.states import Stage
from shared.objects.store import ObjectStore
from shared.settings.settings import Settings
from shared.store.batches.batches import BatchStore
from shared.store.core.connect import Client, connect
from shared.store.queues.hints import Hints
from shared.store.renders.leases import LeaseRules, LeaseStore
from workers.batches.main import make_service
from workers.batches.service import BatchService

LINES = 50_000
_CLAIMS = 500
_WORKER, _REVISION = WorkerId("bench"), Revision("r1")


class NoHints(Hints):
    """Sends no hints, because no worker listens here."""

    def __init__(self) -> None:
        """Needs no broker."""

    def top_up(self, queue: Queue) -> int:
        return 0


@dataclass(frozen=True, slots=True)
class RealStores:
    """Real stores, and a batch worker in this process."""

    client: Client
    objects: ObjectStore
    service: BatchService

    def upload(self, num_lines: int) -> FileId:
        file_id = new_file_id()
        with self.objects.writer(file_key(file_id), "application/jsonl") as writer:
            for number in range(num_lines):
                writer.write(line(number))
        return file_id

    def create(self, file_id: FileId) -> None:
        asked = {"input_file_id": file_id, "endpoint": "/v1/images/generations", "window": "24h", "window_s": 86_400}
        BatchStore(self.client).create(new_batch_id(), BatchSpec(tenant=DEFAULT_TENANT, **asked))

    def used_bytes(self) -> int:
        return int(self.client.info("memory")["used_memory"])


def line(number: int) -> bytes:
    """Returns a batch line like those of a product catalogue."""
    prompt = f'a poster on a brick wall that says "SALE {number}" in red letters, morning light, 35 mm photograph'
    body = {"prompt": prompt, "size": "1024x1024", "seed": number}
    asked = {"custom_id": f"request-{number}", "method": "POST", "url": "/v1/images/generations", "body": body}
    return json.dumps(asked).encode() + b"\n"


@contextmanager
def real_stores() -> Iterator[RealStores]:
    """Starts empty stores and yields them; they are deleted at the end of the block."""
    with tempfile.TemporaryDirectory() as folder:
        valkey, seaweedfs = Valkey(Path(folder) / "store"), SeaweedFS(Path(folder) / "objects")
        client, s3 = connect(valkey.start()), seaweedfs.start()
        keys = {"s3_access_key": s3.access_key, "s3_secret_key": SecretStr(s3.secret_key)}
        settings = Settings(s3_endpoint_url=s3.url, data_dir=Path(folder), **keys)
        try:
            objects = ObjectStore(settings)
            yield RealStores(client, objects, make_service(client, objects, NoHints(), settings))
        finally:
            client.close()
            valkey.stop()
            seaweedfs.stop()


def ingestion() -> dict[str, float]:
    """Measures one batch: seconds until its lines wait, the worker's peak memory, and bytes in the store for each
    line.
    """
    with real_stores() as stores:
        file_id = stores.upload(LINES)
        bytes_before, before_mib = stores.used_bytes(), _now_mib()
        stores.create(file_id)
        began = time.perf_counter()
        stores.service.work_one()  # validates all lines, and releases the first few
        wall_s = time.perf_counter() - began
        # Lines that are jobs already are not counted. Their number does not depend on the size of the batch.
        state_bytes = sum(stores.client.memory_usage(key) or 0 for key in stores.client.keys("gridpress:batch*"))
        return {
            "ingestion_s": round(wall_s, 2),
            "peak_rss_mib": round(_peak_mib(), 1),
            "rss_before_mib": round(before_mib, 1),
            "store_bytes_per_waiting_line": round(state_bytes / LINES, 2),
            "store_bytes_all_told": stores.used_bytes() - bytes_before,
        }


def dispatch(num_waiting: int) -> dict[str, float]:
    """Returns the milliseconds of a claim and of a release step while `num_waiting` lines wait."""
    with real_stores() as stores:
        file_id = stores.upload(min(num_waiting, LINES))
        for _ in range(max(1, num_waiting // LINES)):
            stores.create(file_id)
        while stores.service.work_one():
            pass
        leases = LeaseStore(stores.client, LeaseRules(ttl_s=600, prior_ready_limit_min=10_000_000))
        claims_s, releases_s = [], []
        for number in range(_CLAIMS):
            began = time.perf_counter()
            claim = leases.claim(Stage.AR, _REVISION, _WORKER)
            claims_s.append(time.perf_counter() - began)
            if claim is None:
                break
            leases.fail(claim.lease, {"code": "none", "message": "a benchmark"})
            if number % 50 == 49:
                releases_s += _released_s(stores)
        return {
            "waiting": num_waiting,
            "claim_p50_ms": _ms(claims_s, 50),
            "claim_p99_ms": _ms(claims_s, 99),
            "release_p50_ms": _ms(releases_s, 50),
        }


def _released_s(stores: RealStores) -> list[float]:
    """Does one step of work on each of up to five batches and returns their seconds."""
    wall_s = []
    for _ in range(5):
        began = time.perf_counter()
        if not stores.service.work_one():
            break
        wall_s.append(time.perf_counter() - began)
    return wall_s


def _ms(values_s: list[float], percentile: int) -> float:
    if len(values_s) < 2:
        return round(1000 * sum(values_s), 3)
    return round(1000 * quantiles(values_s, n=100)[percentile - 1], 3)


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _now_mib() -> float:
    found = next(text for text in Path("/proc/self/status").read_text().splitlines() if text.startswith("VmRSS"))
    return int(found.split()[1]) / 1024
