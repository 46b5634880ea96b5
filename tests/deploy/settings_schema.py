"""Writes the settings that the chart's schema allows, from the code: `python -m tests.deploy.settings_schema`."""

import json
from collections.abc import Mapping
from typing import Any

from shared.settings.secret_files import SECRETS
from shared.settings.settings import Settings
from tests.deploy.chart import CHART

FILE = CHART / "values.schema.json"
# Those that the chart sets itself, from values of its own.
OWNED = {
    "data_dir",
    "drain_grace_s",
    "durability",
    "enhance_base_url",
    "host",
    "metrics_host",
    "metrics_port",
    "model",
    "port",
    "public_url",
    "ready_file",
    "redis_ca_file",
    "redis_cert_file",
    "redis_key_file",
    "s3_bucket",
    "s3_endpoint_url",
    "s3_links",
    "s3_public_endpoint_url",
    "s3_region",
    "store_dir",
    "trusted_proxies",
} | SECRETS
_OF_PEOPLE = {"title", "default", "description"}


def settings_schema() -> dict[str, Any]:
    """Returns the schema of `settings`: each with the type and limits that the code has."""
    described: Mapping[str, Mapping[str, Any]] = Settings.model_json_schema()["properties"]
    allowed = {name: _as_yaml(_limits(entry)) for name, entry in sorted(described.items()) if name not in OWNED}
    return {"type": "object", "additionalProperties": False, "properties": allowed}


def _as_yaml(limits: dict[str, Any]) -> dict[str, Any]:
    """Allows true and false beside a choice with `off`, because YAML reads `off` as false."""
    if "off" not in limits.get("enum", ()):
        return limits
    return {**limits, "type": [limits["type"], "boolean"], "enum": [*limits["enum"], True, False]}


def _limits(entry: Mapping[str, Any]) -> dict[str, Any]:
    """`null` of an optional setting says nothing in values, so one type is left."""
    [kind] = [kind for kind in entry.get("anyOf", [entry]) if kind.get("type") != "null"]
    return {key: value for key, value in kind.items() if key not in _OF_PEOPLE}


def with_settings(text: str) -> str:
    schema = json.loads(text)
    schema["$defs"]["settings"] = settings_schema()
    return json.dumps(schema, indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(with_settings(FILE.read_text()))
