"""A small batch through the HTTP API, and how long a batch worker takes to look at it."""

import json
import time
from dataclasses import dataclass

import httpx

_POLL_S = 0.2
_LINES = [
    json.dumps(
        {"custom_id": f"line-{n}", "method": "POST", "url": "/v1/jobs", "body": {"prompt": "a line", "size": "256x256"}}
    )
    for n in range(2)
]


@dataclass(frozen=True, slots=True)
class Probe:
    """A batch that was submitted."""

    batch_id: str
    submitted_at_s: float


class BatchProbe:
    """Its jobs are no part of the ledger: their pictures are not looked at."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=20.0, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def submit(self) -> Probe:
        began_s = time.monotonic()
        files = {"file": ("lines.jsonl", "\n".join(_LINES).encode())}
        file_id = self._http.post("/v1/files", data={"purpose": "batch"}, files=files).raise_for_status().json()["id"]
        asked = {"input_file_id": file_id, "endpoint": "/v1/jobs", "completion_window": "24h"}
        return Probe(self._http.post("/v1/batches", json=asked).raise_for_status().json()["id"], began_s)

    def seconds(self, probe: Probe, limit_s: float) -> float:
        """From its submission until its lines were checked; infinite when they were not within the limit.

        Its renders come after those of other classes, so its end says more of the load than of the batch worker.
        """
        while (elapsed_s := time.monotonic() - probe.submitted_at_s) < limit_s:
            batch = self._http.get(f"/v1/batches/{probe.batch_id}").raise_for_status().json()
            if batch["status"] != "validating":
                return elapsed_s
            time.sleep(_POLL_S)
        return float("inf")
