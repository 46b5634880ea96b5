"""Lists the Grafana dashboards and returns their JSON files."""

import json
from collections.abc import Mapping
from pathlib import Path

from deploy.observability.dashboards import api, overview, stages, webhooks_and_batches
from deploy.observability.dashboards.panels import dashboard

FOLDER = Path(__file__).resolve().parents[1] / "grafana" / "dashboards"

_ALL = {
    "overview": (
        "Gridpress: overview",
        "Whether the service works, and where to look next.",
        overview.CONTENT,
    ),
    "stages": ("Gridpress: stages", "Renders that wait for AR and DiT, and the state of the workers.", stages.CONTENT),
    "api": ("Gridpress: API", "Traffic, latency, refused requests and held requests of the API.", api.CONTENT),
    "webhooks": (
        "Gridpress: webhooks and batches",
        "Webhooks, batches, dead letters.",
        webhooks_and_batches.CONTENT,
    ),
}


def as_files() -> Mapping[Path, str]:
    """Returns the JSON text of each dashboard by the path of its file."""
    return {
        FOLDER / f"{name}.json": json.dumps(dashboard(f"gridpress-{name}", *texts), indent=1) + "\n"
        for name, texts in _ALL.items()
    }
