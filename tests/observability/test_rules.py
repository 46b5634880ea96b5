"""Rules and panels name only what exists, and every alert has a runbook and tests of its rule."""

import re
import shutil
import subprocess
from functools import cache

import pytest

import shared.metrics.catalogue  # noqa: F401 - declares
from shared.metrics.declare import DECLARED
from tests.observability.files import CHECKOUT, RULE_TESTS, RULES, alerts, checks, labels_in, panels, queries, recorded
from tests.observability.promql import grouping, parse, selectors

PROMTOOL = shutil.which("promtool")
SEVERITIES = {"critical", "warning", "info", "none"}

# Labels that Prometheus and the page of `gridpress up` add to whatever they read.
OF_TARGETS = {"job", "instance", "role"}
OF_PROMETHEUS = {"up": set(), "ALERTS": {"alertname", "alertstate", "severity"}}
OF_PROCESSES = {"process_start_time_seconds", "process_cpu_seconds_total", "process_resident_memory_bytes"}


@cache
def known() -> dict[str, set[str]]:
    """The labels of every series that may be named."""
    found = {name: set(labels) for name, labels in OF_PROMETHEUS.items()} | {name: set() for name in recorded()}
    found |= {name: set() for name in OF_PROCESSES}
    for each in DECLARED:
        ends = ("_bucket", "_sum", "_count") if each.kind == "histogram" else ("",)
        for end in ends:
            found[each.name + end] = {*each.labels, *({"le"} if end == "_bucket" else ())}
    return found


@pytest.mark.parametrize("where", queries())
def test_an_expression_parses_and_names_only_metrics_and_labels_that_exist(where: str) -> None:
    expr, labels_of = queries()[where], known()
    named = set()
    for selector in selectors(expr):
        assert selector.metric in labels_of, f"{selector.metric} is not in shared/metrics/catalogue.py"
        has = labels_of[selector.metric] | OF_TARGETS
        asked = {label for label, _ in selector.matchers}
        assert asked <= has, f"{selector.metric} has no label {asked - has}"
        named |= has
    made = set(re.findall(r'label_replace\(.*?, "(\w+)"', expr))
    assert grouping(expr) <= named | made


def test_a_name_that_does_not_exist_is_found() -> None:
    assert [each.metric for each in selectors("rate(gridpress_nothing_total[5m]) > 0")] == ["gridpress_nothing_total"]
    with pytest.raises(ValueError, match="unclosed"):
        parse("sum by stage (x")


@pytest.mark.parametrize("name", alerts())
def test_an_alert_says_in_words_what_is_wrong_and_where_its_runbook_is(name: str) -> None:
    rule = alerts()[name]
    told = rule["annotations"]
    assert rule["labels"]["severity"] in SEVERITIES
    assert told.keys() == {"summary", "description", "runbook_url"}
    assert len(told["summary"]) <= 80
    page, _, anchor = told["runbook_url"].partition("#")
    headings = re.findall(r"^#+ (.+)$", (CHECKOUT / page).read_text(), re.MULTILINE)
    assert anchor in {heading.lower().replace(" ", "-") for heading in headings}
    assert anchor == name.lower()


@pytest.mark.parametrize("name", alerts())
def test_an_alert_names_labels_that_its_expression_keeps(name: str) -> None:
    rule = alerts()[name]
    labels_of = known()
    kept = set(re.findall(r'label_replace\(.*?, "(\w+)"', rule["expr"])) | OF_TARGETS | grouping(rule["expr"])
    kept |= {label for each in selectors(rule["expr"]) for label, _ in each.matchers if label in labels_of[each.metric]}
    assert labels_in(rule["annotations"]["description"]) <= kept


def test_every_panel_names_labels_that_its_query_keeps() -> None:
    for dashboard, panel in panels():
        for target in panel["targets"]:
            kept = grouping(target["expr"]) | (OF_TARGETS if "by (" not in target["expr"] else set())
            assert labels_in(target["legendFormat"]) <= kept, (dashboard, panel["title"])


@pytest.mark.parametrize("name", sorted(alerts().keys() - {"GridpressWatchdog"}))
def test_an_alert_is_tested_to_fire_and_to_stay_silent(name: str) -> None:
    outcomes = {bool(check["exp_samples"]) for check in checks() if f'"{name}"' in check["expr"]}
    assert outcomes == {True, False}


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is missing: it is in Debian's package `prometheus`")
def test_promtool_accepts_the_rules_and_their_tests_pass() -> None:
    assert PROMTOOL
    for command in (["check", "rules", *RULES], ["test", "rules", *RULE_TESTS]):
        done = subprocess.run([PROMTOOL, *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is missing: it is in Debian's package `prometheus`")
def test_promtool_accepts_the_configuration() -> None:
    assert PROMTOOL
    command = [PROMTOOL, "check", "config", CHECKOUT / "deploy" / "observability" / "prometheus.yml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
