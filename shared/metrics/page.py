"""The metrics page of one role: its own metrics and those of every role, without what is unknown. Serves nothing."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from shared.metrics.declare import DECLARED, REGISTRY


class Source(Protocol):
    """What yields metrics: a registry, or the collector of several processes."""

    def collect(self) -> Iterable[Metric]: ...


def page_of(role: str, source: Source = REGISTRY) -> CollectorRegistry:
    """Returns the role's page as a registry. That of a single process tells of the process, too."""
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
                # A sample that is not a number was not measured yet: an absent one misleads no query.
                metric.samples = [sample for sample in metric.samples if not math.isnan(sample.value)]
                yield metric
