"""Runs a batch through the whole service with the simulated engine.

Measures its throughput and its effect on other tenants.
"""

import io
import random
import time
from datetime import datetime
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx

from benchmarks.batch.waiting import LINES, line
from cli.demo.service import service
from cli.stack.servers.store import open_store
from shared.access.keys import Scope
from shared.ids import TenantId
from shared.settings.settings import Settings
from shared.store.access.keys import KeyStore

_SMALL = b'"256x256"'
# Long enough that queueing dominates the latency. The CPU work around a picture takes about 30 ms on the same cores.
_AR_MS, _DIT_MS = 40, 160
_OVER = ("completed", "failed", "expired", "cancelled")


def _upload(http: httpx.Client, num_lines: int) -> str:
    data = b"".join(line(number) for number in range(num_lines)).replace(b'"1024x1024"', _SMALL)
    sent = http.post("/v1/files", data={"purpose": "batch"}, files={"file": ("in.jsonl", io.BytesIO(data))})
    return str(sent.raise_for_status().json()["id"])


def _create(http: httpx.Client, num_lines: int) -> str:
    asked = {"input_file_id": _upload(http, num_lines), "endpoint": "/v1/images/generations"}
    made = http.post("/v1/batches", json={**asked, "completion_window": "24h"})
    return str(made.raise_for_status().json()["id"])


def throughput(folder: Path, num_lines: int) -> dict[str, float]:
    """Returns pictures per second, from creation of the batch to its output file. The engines take no time."""
    with service(folder, "simulate:ar=0,dit=0") as url, httpx.Client(base_url=url, timeout=60) as http:
        began = time.perf_counter()
        batch = _create(http, num_lines)
        while (found := _read(http, batch))["status"] not in _OVER:
            time.sleep(0.25)
        wall_s = time.perf_counter() - began
        assert found["request_counts"]["completed"] == num_lines, found
        return {"lines": num_lines, "wall_s": round(wall_s, 2), "renders_per_s": round(num_lines / wall_s, 1)}


def neighbour(folder: Path, num_requests: int) -> dict[str, float]:
    """Returns the latency of one tenant's single requests, alone and beside another tenant's batch of 50,000 lines."""
    with service(folder, f"simulate:ar={_AR_MS}ms,dit={_DIT_MS}ms") as url:
        first, second = (_key(folder, tenant) for tenant in ("single", "catalogue"))
        with _as(url, first) as single, _as(url, second) as catalogue:
            alone = _latencies_ms(single, num_requests)
            batch = _create(catalogue, LINES)
            while _read(catalogue, batch)["request_counts"]["completed"] < 20:
                time.sleep(0.25)
            beside = _latencies_ms(single, num_requests)
            catalogue.post(f"/v1/batches/{batch}/cancel").raise_for_status()
    return {
        "requests": num_requests,
        "render_ms": _AR_MS + _DIT_MS,
        "alone_p50_ms": _at(alone, 50),
        "alone_p99_ms": _at(alone, 99),
        "beside_p50_ms": _at(beside, 50),
        "beside_p99_ms": _at(beside, 99),
    }


def _latencies_ms(http: httpx.Client, num_requests: int) -> list[float]:
    """Returns the latencies of single requests, one after the other.

    Random pauses between them avoid that every request arrives at the same point of the render in progress.
    """
    found, dice = [], random.Random(1)
    for seed in range(num_requests):
        time.sleep(dice.uniform(0, (_AR_MS + _DIT_MS) / 1000))
        answer = http.post(
            "/v1/jobs", json={"prompt": "a red kite", "size": "256x256", "seed": seed}, headers={"Prefer": "wait=60"}
        )
        assert answer.status_code == 201, answer.text
        created_at, finished_at = (
            datetime.fromisoformat(answer.json()[f"{name}_at"]) for name in ("created", "finished")
        )
        found.append(1000 * (finished_at - created_at).total_seconds())
    return found


def _read(http: httpx.Client, batch: str) -> dict[str, Any]:
    return dict(http.get(f"/v1/batches/{batch}").raise_for_status().json())


def _as(url: str, key: str) -> httpx.Client:
    return httpx.Client(base_url=url, timeout=120, headers={"Authorization": f"Bearer {key}"})


def _key(folder: Path, tenant: str) -> str:
    with open_store(Settings(data_dir=folder)) as store:
        return KeyStore(store).create(TenantId(tenant), [Scope.ADMIN])[1]


def _at(values: list[float], percentile: int) -> float:
    return round(quantiles(values, n=100)[percentile - 1], 1)
