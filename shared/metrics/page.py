"""Builds the metrics page of a role. The page has only the metrics that the role reports. Values that are not known yet
are left out.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from shared.metrics.declare import DECLARED, REGISTRY


class Source(Protocol):
    """A source of metrics: the registry of one process, or the collector that sums several processes."""

    def collect(self) -> Iterable[Metric]: ...


def page_of(role: str, source: Source = REGISTRY) -> CollectorRegistry:
    """Returns the metrics page of a role as a registry of prometheus_client. If the role is a single process, the page
    also has the CPU time and memory of the process.
    """
    page = CollectorRegistry()
    page.register(_OfRole(role, source))
    if source is REGISTRY:
        ProcessCollector(registry=page)
    return page


@dataclass(frozen=True, slots=True)
class _OfRole(Collector):
    role: str
    source: Source

    def collect(self) -> Iterable[Metric]:
        names = {declared.name.removesuffix("_total") for declared in DECLARED if self.role in declared.roles}
        for metric in self.source.collect():
            if metric.name in names:
                # NaN means that the value was not measured yet. Leaving the sample out misleads no query.
                metric.samples = [sample for sample in metric.samples if not math.isnan(sample.value)]
                yield metric
