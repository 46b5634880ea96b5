"""The metrics of all roles on one page, each sample with its role. A role that does not answer is left out."""

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

_ANSWER_S = 1.0  # for each wait of a role's answer
_PAGE_S = 2.0  # for all roles together; a scraper's own limit is 10 s
_MOST_AT_ONCE = 32


def combined_page(ports: Mapping[str, int]) -> CollectorRegistry:
    """Returns a page that asks every role, by its port on loopback, whenever it is read."""
    page = CollectorRegistry()
    page.register(_Combined(ports))
    return page


class _Combined(Collector):
    def __init__(self, ports: Mapping[str, int]) -> None:
        self._ports = ports
        self._askers = ThreadPoolExecutor(_MOST_AT_ONCE, thread_name_prefix="metrics")

    def collect(self) -> Iterable[Metric]:
        asked = {role: self._askers.submit(_read, port) for role, port in self._ports.items()}
        wait(asked.values(), _PAGE_S)
        answers = {role: _answer_of(future) for role, future in asked.items()}
        up = GaugeMetricFamily("gridpress_role_up", "1 if the role's own page was read, else 0", labels=["role"])
        for role, answer in answers.items():
            up.add_metric([role], float(answer is not None))
        return [up, *_merged({role: answer for role, answer in answers.items() if answer is not None})]


def _read(port: int) -> list[Metric]:
    connection = HTTPConnection(LOOPBACK, port, timeout=_ANSWER_S)
    try:
        connection.request("GET", PATH)
        return list(text_string_to_metric_families(connection.getresponse().read().decode()))
    finally:
        connection.close()


def _answer_of(future: "Future[list[Metric]]") -> list[Metric] | None:
    """Returns what a role has said by now; None for one that is down, too slow or unintelligible."""
    if not future.done():
        future.cancel()
        return None
    with suppress(OSError, HTTPException, ValueError):
        return future.result()
    return None


def _merged(answers: Mapping[str, list[Metric]]) -> Iterable[Metric]:
    """Returns each metric once, with the samples of all roles."""
    merged: dict[str, Metric] = {}
    for role, answer in answers.items():
        for metric in answer:
            whole = merged.setdefault(metric.name, Metric(metric.name, metric.documentation, metric.type))
            whole.samples += [sample._replace(labels={**sample.labels, "role": role}) for sample in metric.samples]
    return merged.values()
