"""Lists the dashboards."""

import json
from collections.abc import Mapping
from pathlib import Path

from deploy.observability.dashboards import api, overview, stages, webhooks_and_batches
from deploy.observability.dashboards.panels import dashboard

FOLDER = Path(__file__).resolve().parents[1] / "grafana" / "dashboards"

_ALL = {
    "overview": ("Gridpress: overview", "Is the service well, and where to look next.", overview.CONTENT),
    "stages": ("Gridpress: stages", "What waits for AR and DiT, and how their workers do.", stages.CONTENT),
    "api": ("Gridpress: API", "Traffic, latency, refusals and held requests.", api.CONTENT),
    "webhooks": ("Gridpress: webhooks and batches", "What happens after a picture.", webhooks_and_batches.CONTENT),
}


def as_files() -> Mapping[Path, str]:
    """Returns the text of each dashboard's file."""
    return {
        FOLDER / f"{name}.json": json.dumps(dashboard(f"gridpress-{name}", *told), indent=1) + "\n"
        for name, told in _ALL.items()
    }
