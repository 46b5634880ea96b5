"""Asks a Prometheus for every panel's query and every series of every rule. Starts nothing and writes nothing."""

import math
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self

import httpx

from tests.observability.files import panels, rules
from tests.observability.promql import selectors

Samples = list[dict[str, Any]]

# Series that a healthy service without a GPU does not have, and why. Patterns of a query or of a selector.
RIGHTLY_EMPTY = {
    r"gridpress_device_memory_bytes": "no CUDA device",
    r"gridpress_kv_used_ratio": "the simulated engine has no KV memory",
    r"gridpress_model_load_seconds": "a simulated stage loads no model",
    r"gridpress_unserved_renders": "a worker serves every revision",
    r"gridpress_too_large_renders": "every render fits into the memory of a worker",
    r"gridpress_sandbox_kills_total": "no input of a caller had to be stopped",
    r"gridpress_background_faults_total": "no thread met an unexpected error",
    r"gridpress_object_store_errors_total": "the object store answered everything",
    r"gridpress_leases_lost_total": "no worker lost a lease",
    r"gridpress_http_requests_total\{.*status=~\"5": "no request failed",
    r"gridpress_http_refusals_total\{code=~": "there was room for every job",
    r"gridpress_renders_total\{outcome=\"failed\"": "no render failed",
    r"gridpress_role_up": "only `gridpress up` has a page of all roles",
    r"gridpress_bucket_(copies|deletions)_total": "no tenant has a bucket of its own",
    r"gridpress_enhancements_total": "no job asked for its prompt to be enhanced",
    r"gridpress_store_max_bytes": "the job store has no memory limit",
}


class Source:
    """A Prometheus, by its address."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, trust_env=False, timeout=10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def ask(self, expr: str) -> Samples:
        """Returns the samples that are numbers."""
        answer = self._client.get("/api/v1/query", params={"query": expr}).raise_for_status().json()
        return [each for each in answer["data"]["result"] if not math.isnan(float(each["value"][1]))]

    def broken_rules(self) -> list[str]:
        """Rules whose evaluation failed, or that Prometheus has not evaluated."""
        groups = self._client.get("/api/v1/rules").raise_for_status().json()["data"]["groups"]
        return [rule["name"] for group in groups for rule in group["rules"] if rule["health"] != "ok"]

    def num_rules(self) -> int:
        groups = self._client.get("/api/v1/rules").raise_for_status().json()["data"]["groups"]
        return sum(len(group["rules"]) for group in groups)


def asked(interval: str) -> dict[str, str]:
    """Every panel's query and every selector of a rule, by where it stands. `interval` is the range of rates."""
    found = {}
    for dashboard, panel in panels():
        for target in panel["targets"]:
            expr = target["expr"].replace("$__rate_interval", interval)
            found[f"{dashboard}: {panel['title']} {target['refId']}"] = expr
    for rule in rules():
        for number, selector in enumerate(selectors(rule["expr"])):
            found[f"rule {rule.get('alert') or rule['record']} {number}"] = f"count({selector.text})"
    return found


def without_data(source: Source, questions: Mapping[str, str]) -> dict[str, str]:
    """The questions that find nothing."""
    return {where: expr for where, expr in questions.items() if not source.ask(expr)}


def wrongly_empty(empty: Mapping[str, str], reasons: Iterable[str] = tuple(RIGHTLY_EMPTY)) -> dict[str, str]:
    """Of these, the ones without a reason to be empty."""
    return {where: expr for where, expr in empty.items() if not any(re.search(each, expr) for each in reasons)}


def wait_for_data(
    source: Source,
    interval: str,
    limit_s: float,
    reasons: Iterable[str] = tuple(RIGHTLY_EMPTY),
    pause: Callable[[float], None] = time.sleep,
) -> dict[str, str]:
    """Asks until all have data that should have; returns those that still have none after `limit_s`."""
    deadline = time.monotonic() + limit_s
    left = asked(interval)
    while (left := wrongly_empty(without_data(source, left), reasons)) and time.monotonic() < deadline:
        pause(1.0)
    return left
