"""Options that the value sets in ci/ leave alone."""

from pathlib import Path
from typing import Any

import pytest
from helm_python import Chart, package

from tests.deploy.chart import (
    CHART,
    NAMESPACE,
    RELEASE,
    Document,
    containers,
    of_kind,
    pod_templates,
    render,
    values_of,
)

pytestmark = pytest.mark.deploy


def _policy(documents: tuple[Document, ...], role: str) -> Document:
    [found] = [one for one in of_kind(documents, "NetworkPolicy") if one["metadata"]["name"].endswith(f"-{role}")]
    return found["spec"]


def _with(value_set: str, **changes: Any) -> tuple[Document, ...]:
    return tuple(render({**values_of(value_set), **changes}))


def test_nobody_reads_metrics_where_nobody_is_named() -> None:
    """An empty list of sources would let everybody in."""
    documents = _with("aws-irsa", networkPolicy={"metricsFrom": []})

    assert not [rule for rule in _policy(documents, "dit").get("ingress") or [] if "from" not in rule]
    assert [rule["ports"][0]["port"] for rule in _policy(documents, "api")["ingress"]] == ["http"]


def test_only_those_that_call_strangers_may_call_the_world() -> None:
    documents = _with("production")
    roles = ["api", "ar", "dit", "delivery", "batches", "upkeep", "enhance", "keys", "test"]

    free = [role for role in roles if "ipBlock" in str(_policy(documents, role)["egress"])]

    assert free == ["api", "delivery", "enhance"]
    assert "169.254.0.0/16" in str(_policy(documents, "delivery"))


def test_a_slice_of_a_card_is_asked_for_and_a_simulated_stage_asks_for_none() -> None:
    def limits(value_set: str) -> dict[str, Any]:
        found = {name.rpartition("/")[2]: one for name, one in containers(_with(value_set), with_init=False)}
        return {stage: found[stage]["resources"]["limits"] for stage in ("ar", "dit")}

    assert limits("gpu-mig")["ar"]["nvidia.com/mig-3g.40gb"] == 1
    assert limits("gpu-mig")["dit"]["nvidia.com/mig-2g.20gb"] == 1
    assert not [name for stage in limits("evaluation").values() for name in stage if "nvidia" in name]


def test_jobs_and_stores_run_where_the_roles_may() -> None:
    where = {"nodeSelector": {"pool": "pictures"}, "tolerations": [{"key": "pool", "operator": "Exists"}]}

    for name, template in pod_templates(_with("evaluation", defaults=where)):
        if not name.endswith("-test"):
            assert template["spec"]["nodeSelector"] == {"pool": "pictures"}, name
            assert {"key": "pool", "operator": "Exists"} in template["spec"]["tolerations"] or name.endswith(
                ("ar", "dit")
            )


def test_large_numbers_stay_as_they_were_written() -> None:
    """Helm reads every number as a float, and would print 1.7179869184e+10."""
    environment = [
        entry
        for _, one in containers(_with("production"))
        for entry in one.get("env", [])
        if entry["name"] == "GRIDPRESS_AR_KV_BYTES"
    ]

    assert environment == [{"name": "GRIDPRESS_AR_KV_BYTES", "value": "17179869184"}]


def test_the_packaged_chart_holds_rules_and_dashboards(tmp_path: Path) -> None:
    """In the repository both are links to deploy/observability."""
    path = package(CHART, destination=tmp_path)
    with Chart.load(path) as chart:
        files = chart.render(values_of("production"), name=RELEASE, namespace=NAMESPACE)

    monitoring = files["gridpress/templates/monitoring.yaml"]
    assert monitoring.count("kind: PrometheusRule") > 0
    assert monitoring.count("kind: ConfigMap") > 0


@pytest.mark.parametrize(
    ("model", "end"),
    [("", "/v1/stats"), ("acme/Painter", "/v1/stats?model=acme%2FPainter"), ("a&b=c", "/v1/stats?model=a%26b%3Dc")],
)
def test_keda_scales_by_the_model_of_the_release(model: str, end: str) -> None:
    documents = _with("production", keda={**values_of("production")["keda"], "model": model})

    urls = [one["spec"]["triggers"][0]["metadata"]["url"] for one in of_kind(documents, "ScaledObject")]

    assert len(urls) == 2
    assert [url.partition(":8000")[2] for url in urls] == [end, end]
