"""The metrics page of a role of one process, on real sockets."""

import socket
import subprocess
import sys
from http.client import HTTPConnection

import pytest
from prometheus_client.parser import text_string_to_metric_families

from shared.errors import Misconfigured
from shared.metrics.catalogue import STORE_ERRORS
from shared.metrics.declare import DECLARED
from shared.metrics.exposition import listen, serve
from shared.metrics.page import page_of

_NEVER = ("job", "tenant", "worker", "path", "size", "url", "key", "render", "batch")


@pytest.fixture
def port() -> int:
    listener = listen("127.0.0.1", 0)
    serve(listener, page_of("ar"))
    return listener.getsockname()[1]


def _get(port: int, path: str = "/metrics") -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path)
    response = connection.getresponse()
    return response.status, response.read().decode()


def test_the_page_is_what_prometheus_reads(port: int) -> None:
    STORE_ERRORS.inc()
    status, text = _get(port)
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert status == 200
    assert families["gridpress_store_errors"].samples[0].value >= 1
    assert "process_resident_memory_bytes" in families


def test_a_role_shows_its_own_metrics_and_no_other_roles(port: int) -> None:
    _, text = _get(port)
    names = {family.name for family in text_string_to_metric_families(text)}
    expected = {one.name.removesuffix("_total") for one in DECLARED if "ar" in one.roles}
    assert {name for name in names if name.startswith("gridpress_")} == expected
    assert "gridpress_object_store_writable" not in names


def test_a_gauge_that_was_never_measured_has_no_sample() -> None:
    samples = [sample.name for metric in page_of("upkeep").collect() for sample in metric.samples]
    assert "gridpress_object_store_writable" not in samples


def test_a_query_changes_nothing(port: int) -> None:
    assert "gridpress_store_errors_total" in _get(port, "/metrics?name[]=none")[1]


def test_another_path_has_no_metrics(port: int) -> None:
    assert _get(port, "/")[0] == 404


def test_scrapers_that_hang_keep_nobody_out(port: int) -> None:
    hanging = [socket.create_connection(("127.0.0.1", port)) for _ in range(40)]
    try:
        assert _get(port)[0] == 200
    finally:
        for one in hanging:
            one.close()


def test_a_port_that_is_taken_is_one_line_and_78() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code = "from shared.process.starting import run_role; run_role('ar', print)"
        env = {"GRIDPRESS_METRICS_PORT": str(port), "PYTHONPATH": ":".join(sys.path)}
        ended = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert ended.returncode == 78
    assert ended.stderr.count("\n") == 1
    assert "GRIDPRESS_METRICS_PORT" in ended.stderr


def test_a_host_that_is_not_ours_is_refused() -> None:
    with pytest.raises(Misconfigured, match="GRIDPRESS_METRICS"):
        listen("192.0.2.1", 9464)


def test_names_and_labels_keep_their_rules() -> None:
    names = [one.name for one in DECLARED]
    assert len(names) == len(set(names))
    for one in DECLARED:
        assert one.help
        assert one.name.endswith("_total") == (one.kind == "counter")
        assert not set(one.labels) & set(_NEVER)
