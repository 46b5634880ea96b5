"""A real Prometheus reads a real service under load: every panel and every rule has its series."""

from collections.abc import Iterator

import pytest

from cli.demo.service import service
from cli.stack.ports import free_ports
from shared.metrics.catalogue import BUILD_INFO  # noqa: F401 - declares all
from shared.metrics.declare import DECLARED
from tests.observability.coverage import RIGHTLY_EMPTY, Source, asked, wait_for_data, without_data
from tests.observability.files import rules
from tests.observability.prometheus import BINARY, prometheus
from tests.observability.traffic import receiver, traffic

pytestmark = [
    pytest.mark.prometheus,
    pytest.mark.skipif(BINARY is None, reason="prometheus is missing: Debian's package `prometheus` has it"),
]

LIMIT_S = 90.0
# The page of `gridpress up` and this load do have them.
HERE_FULL = {r"gridpress_role_up", r"gridpress_enhancements_total", r"gridpress_store_max_bytes"}
HERE_EMPTY = tuple(RIGHTLY_EMPTY.keys() - HERE_FULL)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    folder = tmp_path_factory.mktemp("observed")
    port = free_ports(1)[0]
    with pytest.MonkeyPatch.context() as patch, receiver() as receiver_url:
        patch.setenv("GRIDPRESS_METRICS_PORT", str(port))
        patch.setenv("GRIDPRESS_ENHANCE_BASE_URL", f"{receiver_url}/v1")
        patch.setenv("GRIDPRESS_MAX_STORE_BYTES", str(2**30))
        with (
            service(folder / "service", "simulate:ar=50ms,dit=100ms") as url,
            prometheus(folder, [f"127.0.0.1:{port}"]) as address,
            traffic(url, receiver_url, folder),
            Source(address) as asked_of,
        ):
            yield asked_of


def test_every_panel_and_every_rule_has_data_or_a_reason_to_have_none(source: Source) -> None:
    missing = wait_for_data(source, "15s", LIMIT_S, HERE_EMPTY)
    assert not missing, "\n".join(f"{where}: {expr}" for where, expr in missing.items())


def test_every_rule_is_evaluated(source: Source) -> None:
    assert source.num_rules() == len(rules())
    assert source.broken_rules() == []


def test_nothing_critical_fires_in_a_healthy_service(source: Source) -> None:
    firing = source.ask('ALERTS{alertstate="firing", severity="critical"}')
    assert [each["metric"]["alertname"] for each in firing] == []


def test_a_query_of_a_series_that_is_not_there_is_found(source: Source) -> None:
    assert without_data(source, {"here": "rate(gridpress_nothing_total[1m])"}).keys() == {"here"}


def test_what_may_be_empty_is_a_metric_that_exists() -> None:
    names = "\n".join(each.name for each in DECLARED)
    patterns = [each.split("\\{")[0] for each in RIGHTLY_EMPTY if each.startswith("gridpress_")]
    assert all(pattern in names for pattern in patterns)
    assert len(asked("1m")) > 100
