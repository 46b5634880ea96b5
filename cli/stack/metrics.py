"""Combines the Prometheus metrics of all roles on one page, with a label `role`.

Leaves out a role that does not respond.
"""

from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from http.client import HTTPConnection, HTTPException

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from cli.stack.ports import LOOPBACK
from shared.metrics.exposition import PATH

_ROLE_TIMEOUT_S = 1.0  # timeout of each socket operation with a role
_PAGE_TIMEOUT_S = 2.0  # timeout for all roles together; Prometheus' default scrape timeout is 10 s
_MOST_AT_ONCE = 32


def combined_page(ports: Mapping[str, int]) -> CollectorRegistry:
    """Returns a Prometheus registry with the metrics of all roles.

    Each scrape of the registry requests the metrics of every role, from the role's port on loopback.
    """
    page = CollectorRegistry()
    page.register(_Combined(ports))
    return page


class _Combined(Collector):
    def __init__(self, ports: Mapping[str, int]) -> None:
        self._ports = ports
        self._readers = ThreadPoolExecutor(_MOST_AT_ONCE, thread_name_prefix="metrics")

    def collect(self) -> Iterable[Metric]:
        asked = {role: self._readers.submit(_read, port) for role, port in self._ports.items()}
        wait(asked.values(), _PAGE_TIMEOUT_S)
        responses = {role: _metrics_of(future) for role, future in asked.items()}
        up = GaugeMetricFamily("gridpress_role_up", "1 if the role's own page was read, else 0", labels=["role"])
        for role, response in responses.items():
            up.add_metric([role], float(response is not None))
        return [up, *_merged({role: response for role, response in responses.items() if response is not None})]


def _read(port: int) -> list[Metric]:
    connection = HTTPConnection(LOOPBACK, port, timeout=_ROLE_TIMEOUT_S)
    try:
        connection.request("GET", PATH)
        return list(text_string_to_metric_families(connection.getresponse().read().decode()))
    finally:
        connection.close()


def _metrics_of(future: "Future[list[Metric]]") -> list[Metric] | None:
    """Returns the metrics that a role has sent, or None if the role is down, too slow, or sent an invalid page."""
    if not future.done():
        future.cancel()
        return None
    with suppress(OSError, HTTPException, ValueError):
        return future.result()
    return None


def _merged(responses: Mapping[str, list[Metric]]) -> Iterable[Metric]:
    """Merges the metrics of all roles: each metric occurs once, with the samples of all roles."""
    merged: dict[str, Metric] = {}
    for role, response in responses.items():
        for metric in response:
            whole = merged.setdefault(metric.name, Metric(metric.name, metric.documentation, metric.type))
            whole.samples += [sample._replace(labels={**sample.labels, "role": role}) for sample in metric.samples]
    return merged.values()
