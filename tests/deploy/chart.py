"""The chart, rendered by Helm itself. Contacts no cluster."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from helm_python import Chart, disable_logging

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy" / "helm" / "gridpress"
VALUE_SETS = sorted(path.stem for path in (CHART / "ci").glob("*.yaml"))
RELEASE = "gp"
NAMESPACE = "pictures"

Document = Mapping[str, Any]
disable_logging()


def values_of(value_set: str) -> dict[str, Any]:
    return yaml.safe_load((CHART / "ci" / f"{value_set}.yaml").read_text())


def render(values: Mapping[str, Any]) -> list[Document]:
    """Returns all documents. Raises `HelmError` if Helm, the schema or a check of the chart refuses the values."""
    with Chart.load(CHART) as chart:
        files = chart.render(dict(values), name=RELEASE, namespace=NAMESPACE, is_install=True)
    texts = [text for path, text in files.items() if path.endswith(".yaml")]
    return [document for text in texts for document in yaml.safe_load_all(text) if document]


@cache
def rendered(value_set: str) -> tuple[Document, ...]:
    return tuple(render(values_of(value_set)))


def of_kind(documents: tuple[Document, ...], *kinds: str) -> list[Document]:
    return [document for document in documents if document["kind"] in kinds]


def pod_templates(documents: tuple[Document, ...]) -> Iterator[tuple[str, Document]]:
    """Yields the name of its object and the template of every pod: labels under `metadata`, the pod under `spec`."""
    for document in documents:
        if document["kind"] == "Pod":
            yield document["metadata"]["name"], document
        elif template := document.get("spec", {}).get("template"):
            yield document["metadata"]["name"], template


def containers(documents: tuple[Document, ...], *, with_init: bool = True) -> Iterator[tuple[str, Document]]:
    for name, template in pod_templates(documents):
        init = template["spec"].get("initContainers", []) if with_init else []
        for container in [*init, *template["spec"]["containers"]]:
            yield f"{name}/{container['name']}", container


def name_of(document: Document) -> str:
    return f"{document['kind']}/{document['metadata']['name']}"
