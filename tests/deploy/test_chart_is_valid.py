"""What the chart renders is taken by Kubernetes and KEDA, as far as their schemas can tell."""

from collections.abc import Iterator
from functools import cache

import kubernetes_validate
import pytest
from helm_python import HelmError, lint

from tests.deploy import keda
from tests.deploy.chart import CHART, VALUE_SETS, name_of, of_kind, render, rendered, values_of

pytestmark = pytest.mark.deploy

# The least version that Chart.yaml names, and the newest that the schemas know.
_KUBERNETES = ["1.29.0", "1.37.0"]
# Kinds of operators, whose schemas no package ships. KEDA's are checked by models.
_FOREIGN = {"keda.sh/v1alpha1", "monitoring.coreos.com/v1", "gateway.networking.k8s.io/v1"}
_ERROR = 3


@pytest.fixture(scope="module", autouse=True)
def _schemas_read_once() -> Iterator[None]:
    """Each is a file of megabytes, which the validator would read again for every document."""
    with pytest.MonkeyPatch.context() as patch:
        reader = cache(kubernetes_validate.utils.schema_contents)
        patch.setattr(kubernetes_validate.utils, "schema_contents", reader)
        yield


def test_there_are_at_least_five_value_sets() -> None:
    assert len(VALUE_SETS) >= 5


@pytest.mark.parametrize("value_set", VALUE_SETS)
def test_helm_finds_nothing_to_complain_of(value_set: str) -> None:
    found = lint(CHART, values_of(value_set), strict=True)

    assert not found["errors"]
    assert not [message for message in found["messages"] if message["severity"] > 1]


@pytest.mark.parametrize("version", _KUBERNETES)
@pytest.mark.parametrize("value_set", VALUE_SETS)
def test_kubernetes_knows_every_field(value_set: str, version: str) -> None:
    own = [document for document in rendered(value_set) if document["apiVersion"] not in _FOREIGN]

    for document in own:
        kubernetes_validate.validate(document, version, strict=True)
    assert len(own) > 15


def test_a_field_that_kubernetes_does_not_know_is_found() -> None:
    [service] = of_kind(rendered("production"), "Service")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**service, "specs": {}}, _KUBERNETES[0], strict=True)


@pytest.mark.parametrize("value_set", VALUE_SETS)
def test_keda_knows_every_field(value_set: str) -> None:
    scaling = of_kind(rendered(value_set), "ScaledObject", "TriggerAuthentication")

    assert [keda.check(document) for document in scaling] == [[]] * len(scaling)
    assert len(scaling) == (3 if values_of(value_set).get("keda") else 0)


def test_a_field_that_keda_does_not_know_is_found() -> None:
    scaled, *_ = of_kind(rendered("production"), "ScaledObject")
    wrong = {
        **scaled,
        "spec": {**scaled["spec"], "cooldown": 3, "advanced": {"horizontalPodAutoscalerConfig": {"x": 1}}},
    }

    assert keda.check(wrong) == ["spec.advanced.horizontalPodAutoscalerConfig.x", "spec.cooldown"]


@pytest.mark.parametrize("value_set", VALUE_SETS)
def test_no_two_documents_have_one_name(value_set: str) -> None:
    names = [name_of(document) for document in rendered(value_set)]

    assert len(names) == len(set(names))


def test_rules_and_dashboards_are_rendered_whole() -> None:
    documents = rendered("production")
    rules = [group for rule in of_kind(documents, "PrometheusRule") for group in rule["spec"]["groups"]]
    dashboards = of_kind(documents, "ConfigMap")

    observability = CHART.parents[1] / "observability"
    assert len(of_kind(documents, "PrometheusRule")) == len(list((observability / "rules").glob("*.yml"))) > 0
    assert all(group["rules"] for group in rules)
    texts = sorted(text for document in dashboards for text in document["data"].values())
    assert texts == sorted(path.read_text() for path in (observability / "grafana" / "dashboards").glob("*.json"))


def test_without_a_store_the_chart_says_what_to_set() -> None:
    with pytest.raises(HelmError, match=r"redis\.existingSecret: name a Secret .* evaluation\.enabled=true"):
        render({})
