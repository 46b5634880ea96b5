"""Reads the values of metrics: of this process, or of a page."""

from collections.abc import Iterable

import httpx
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from shared.metrics.declare import REGISTRY


def counted(name: str, **labels: str) -> float:
    """Returns a value of this process; 0 where nothing was counted yet."""
    return REGISTRY.get_sample_value(f"gridpress_{name}", labels) or 0.0


def samples(port: int) -> list[Sample]:
    """Returns what the page on this port shows."""
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False, timeout=30).text
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def total(found: Iterable[Sample], name: str, **labels: str) -> float:
    """Returns the sum of all series of this name that have these labels."""
    return sum(
        sample.value
        for sample in found
        if sample.name == f"gridpress_{name}" and labels.items() <= sample.labels.items()
    )
