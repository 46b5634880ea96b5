"""Declares metrics and remembers which roles show them. Knows no metric by name."""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.metrics import MetricWrapperBase

# `gridpress_x_created` would double the counters' series, and nothing of ours reads it.
disable_created_metrics()  # type: ignore[no-untyped-call]

REGISTRY = CollectorRegistry()
_PREFIX = "gridpress_"
_Metric = TypeVar("_Metric", bound=MetricWrapperBase | None)


class Declared(NamedTuple):
    """What the docs and the checks of rules and dashboards know of a metric. `name` is the one that queries use."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...]
    roles: tuple[str, ...]
    metric: MetricWrapperBase | None


DECLARED: list[Declared] = []


class Section:
    """The metrics that some roles show. Other roles may import them, but their pages leave them out."""

    def __init__(self, *roles: str) -> None:
        self.roles = roles

    def counter(self, name: str, help_text: str, labels: Sequence[str] = ()) -> Counter:
        """`name` ends in `_total`."""
        assert name.endswith("_total")
        return self._noted(
            name, "counter", help_text, labels, Counter(_PREFIX + name, help_text, labels, registry=REGISTRY)
        )

    def gauge(
        self,
        name: str,
        help_text: str,
        labels: Sequence[str] = (),
        *,
        is_known: bool = True,
        of_several: Literal["livesum", "livemax"] = "livesum",
    ) -> Gauge:
        """Declares a gauge. With `is_known=False`, one without labels is absent until it is set. `of_several`: whether
        several live processes show their sum or their maximum.
        """
        gauge = Gauge(_PREFIX + name, help_text, labels, registry=REGISTRY, multiprocess_mode=of_several)
        if not is_known:
            gauge.set(math.nan)
        return self._noted(name, "gauge", help_text, labels, gauge)

    def histogram(self, name: str, help_text: str, buckets: Sequence[float], labels: Sequence[str] = ()) -> Histogram:
        histogram = Histogram(_PREFIX + name, help_text, labels, registry=REGISTRY, buckets=buckets)
        return self._noted(name, "histogram", help_text, labels, histogram)

    def outside(self, name: str, help_text: str, labels: Sequence[str] = ()) -> None:
        """Declares a gauge that no process keeps: its samples are made for the page."""
        self._noted(name, "gauge", help_text, labels, None)

    def _noted(self, name: str, kind: str, help_text: str, labels: Sequence[str], metric: _Metric) -> _Metric:
        DECLARED.append(Declared(_PREFIX + name, kind, help_text, tuple(labels), self.roles, metric))
        return metric
