"""The rules and dashboards of deploy/observability, as data."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
FOLDER = CHECKOUT / "deploy" / "observability"
RULES = sorted((FOLDER / "rules").glob("*.yml"))
RULE_TESTS = sorted((FOLDER / "rule_tests").glob("*.yml"))
DASHBOARDS = sorted((FOLDER / "grafana" / "dashboards").glob("*.json"))


@cache
def rules() -> Sequence[Mapping[str, Any]]:
    groups = [group for file in RULES for group in yaml.safe_load(file.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"]]


@cache
def checks() -> Sequence[Mapping[str, Any]]:
    """The checks of all rule tests."""
    tests = [test for file in RULE_TESTS for test in yaml.safe_load(file.read_text())["tests"]]
    return [check for test in tests for check in test["promql_expr_test"]]


def alerts() -> dict[str, Mapping[str, Any]]:
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def recorded() -> set[str]:
    return {rule["record"] for rule in rules() if "record" in rule}


def panels() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every panel with its dashboard's name, rows left out."""
    for file in DASHBOARDS:
        for panel in json.loads(file.read_text())["panels"]:
            if panel["type"] != "row":
                yield file.stem, panel


@cache
def queries() -> dict[str, str]:
    """Every expression by where it stands."""
    found = {f"rule {rule.get('alert') or rule['record']}": rule["expr"] for rule in rules()}
    for dashboard, panel in panels():
        for target in panel["targets"]:
            found[f"{dashboard}: {panel['title']} {target['refId']}"] = target["expr"]
    return found


def labels_in(text: str) -> set[str]:
    """Labels that a legend ({{stage}}) or a template ({{ $labels.stage }}) names."""
    return set(re.findall(r"\{\{\s*(?:\$labels\.)?([a-z_]+)\s*\}\}", text))
