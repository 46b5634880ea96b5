"""Declares metrics and records which roles report them."""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.metrics import MetricWrapperBase

# The library's `_created` series would double the number of series, and no rule or dashboard of ours reads them.
disable_created_metrics()  # type: ignore[no-untyped-call]

REGISTRY = CollectorRegistry()
_PREFIX = "gridpress_"
_Metric = TypeVar("_Metric", bound=MetricWrapperBase | None)


class Declared(NamedTuple):
    """The declaration of a metric. The generated docs, and the checks of alert rules and dashboards, read it. `name` is
    the name by which queries find the metric.
    """

    name: str
    kind: str
    help: str
    labels: tuple[str, ...]
    roles: tuple[str, ...]
    metric: MetricWrapperBase | None


DECLARED: list[Declared] = []


class Section:
    """Declares the metrics that certain roles report. Processes of other roles may import these metrics, but their
    metrics pages leave them out.
    """

    def __init__(self, *roles: str) -> None:
        self.roles = roles

    def counter(self, name: str, help_text: str, labels: Sequence[str] = ()) -> Counter:
        """Declares a counter. Its name must end in `_total`."""
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
        """Declares a gauge. With `is_known=False`, a gauge without labels is missing from the metrics page until it is
        set.

        If several live processes share a metrics page, the page shows the sum of their values. With
        `of_several="livemax"` it shows the maximum.
        """
        gauge = Gauge(_PREFIX + name, help_text, labels, registry=REGISTRY, multiprocess_mode=of_several)
        if not is_known:
            gauge.set(math.nan)
        return self._noted(name, "gauge", help_text, labels, gauge)

    def histogram(self, name: str, help_text: str, buckets: Sequence[float], labels: Sequence[str] = ()) -> Histogram:
        histogram = Histogram(_PREFIX + name, help_text, labels, registry=REGISTRY, buckets=buckets)
        return self._noted(name, "histogram", help_text, labels, histogram)

    def outside(self, name: str, help_text: str, labels: Sequence[str] = ()) -> None:
        """Declares a gauge that no process sets. Instead, the code that builds the metrics page adds the values of the
        gauge.
        """
        self._noted(name, "gauge", help_text, labels, None)

    def _noted(self, name: str, kind: str, help_text: str, labels: Sequence[str], metric: _Metric) -> _Metric:
        DECLARED.append(Declared(_PREFIX + name, kind, help_text, tuple(labels), self.roles, metric))
        return metric
