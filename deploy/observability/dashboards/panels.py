"""Builds the JSON of Grafana dashboards from short descriptions of panels. It contains no metric names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

_WIDTH = 24  # columns of Grafana's grid
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_SCHEMA_VERSION = 39  # of Grafana 10.4 and later


@dataclass(frozen=True, slots=True)
class Query:
    """A PromQL expression and the legend of its series. The legend may contain labels: `{{stage}}`."""

    expr: str
    legend: str


def quantiles(name: str, shares: Sequence[float], by: str = "") -> Sequence[Query]:
    """Returns a query for each quantile of a histogram. `by` is a label: each of its values gets its own series."""
    labels, legend = (f"{by}, le", f"{{{{{by}}}}} ") if by else ("le", "")
    rate = f"sum by ({labels}) (rate({name}_bucket[$__rate_interval]))"
    return [Query(f"histogram_quantile({share}, {rate})", f"{legend}{share:.0%}") for share in shares]


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel of a dashboard: a graph over time, or with `is_stat` the newest value in large type.

    `limits` are values from which on the panel has another colour. Below the first limit it has `first_colour`.
    `words` are texts that replace numbers. `if_absent` is the text that replaces a missing value in large type.
    """

    title: str
    description: str
    queries: Sequence[Query]
    unit: str = "short"
    width: int = 8
    height: int = 8
    is_stat: bool = False
    is_stacked: bool = False
    highest: float | None = None
    limits: Sequence[tuple[float, str]] = ()
    first_colour: str = "green"
    words: Mapping[str, str] = field(default_factory=dict)
    if_absent: str = "unknown"


@dataclass(frozen=True, slots=True)
class Row:
    """A heading above a group of panels."""

    title: str


def dashboard(uid: str, title: str, description: str, content: Sequence[Panel | Row]) -> Json:
    """Returns the dashboard as Grafana's JSON. The panels are placed from left to right in the given order."""
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": ["gridpress"],
        "schemaVersion": _SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [_datasource()]},
        "links": [_link_to_the_others()],
        "annotations": {"list": [_alerts()]},
        "panels": list(_placed(content)),
    }


def _datasource() -> Json:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "current": {}}


def _link_to_the_others() -> Json:
    shown = {"asDropdown": False, "includeVars": True, "keepTime": True}
    return {"title": "Gridpress", "type": "dashboards", "tags": ["gridpress"], **shown}


def _alerts() -> Json:
    expr = 'ALERTS{alertname=~"Gridpress.*", alertstate="firing", severity=~"critical|warning"}'
    shown = {"name": "Firing alerts", "enable": True, "iconColor": "red", "titleFormat": "{{alertname}}"}
    return {**shown, "datasource": _SOURCE, "expr": expr, "step": "60s"}


def _placed(content: Sequence[Panel | Row]) -> Sequence[Json]:
    placed: list[Json] = []
    x = y = height = 0
    for number, each in enumerate(content, start=1):
        width = _WIDTH if isinstance(each, Row) else each.width
        if x + width > _WIDTH:
            x, y, height = 0, y + height, 0
        tall = 1 if isinstance(each, Row) else each.height
        grid = {"h": tall, "w": width, "x": x, "y": y}
        placed.append({"id": number, "gridPos": grid, **(_row(each) if isinstance(each, Row) else _panel(each))})
        x, height = x + width, max(height, tall)
    return placed


def _row(row: Row) -> Json:
    return {"type": "row", "title": row.title, "collapsed": False, "panels": []}


def _panel(panel: Panel) -> Json:
    targets = [
        {"refId": chr(ord("A") + number), "datasource": _SOURCE, "expr": query.expr, "legendFormat": query.legend}
        for number, query in enumerate(panel.queries)
    ]
    return {
        "type": "stat" if panel.is_stat else "timeseries",
        "title": panel.title,
        "description": panel.description,
        "datasource": _SOURCE,
        "targets": targets,
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _stat_options() if panel.is_stat else _graph_options(),
    }


def _defaults(panel: Panel) -> Json:
    steps = [{"color": panel.first_colour, "value": None}, *({"color": c, "value": v} for v, c in panel.limits)]
    defaults: Json = {"unit": panel.unit, "min": 0, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.highest is not None:
        defaults["max"] = panel.highest
    if panel.words:
        options = {value: {"text": text, "index": number} for number, (value, text) in enumerate(panel.words.items())}
        defaults["mappings"] = [{"type": "value", "options": options}]
    if panel.is_stat:
        return {**defaults, "noValue": panel.if_absent, "color": {"mode": "thresholds"}}
    stacking = {"mode": "normal" if panel.is_stacked else "none", "group": "A"}
    lines = {"mode": "dashed" if panel.limits else "off"}
    filled = 30 if panel.is_stacked else 5
    custom = {"lineWidth": 1, "fillOpacity": filled, "stacking": stacking, "thresholdsStyle": lines}
    return {**defaults, "color": {"mode": "palette-classic"}, "custom": {**custom, "showPoints": "never"}}


def _stat_options() -> Json:
    reduced = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    return {"reduceOptions": reduced, "colorMode": "background", "graphMode": "area", "textMode": "auto"}


def _graph_options() -> Json:
    legend = {"displayMode": "table", "placement": "bottom", "showLegend": True, "calcs": ["lastNotNull", "max"]}
    return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
