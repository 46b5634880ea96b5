"""The files of docker/ and deploy/, each checked by its tool. Nothing here needs a network, Docker or a cluster."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared.settings.settings import Settings
from tests.deploy import settings_schema, values_table
from tests.deploy.chart import CHART, ROOT
from tests.deploy.settings_schema import OWNED
from tests.observability.files import queries, recorded
from tests.observability.promql import selectors
from tests.observability.test_rules import known

pytestmark = pytest.mark.deploy

_BIN = Path(sys.executable).parent
_HADOLINT = Path(__file__).with_name("hadolint.yaml")
_YAMLLINT = Path(__file__).with_name("yamllint.yaml")
_COMPOSE = ROOT / "deploy" / "compose"
_DOCKERFILES = sorted((ROOT / "docker").rglob("Dockerfile*"))
_COMPOSE_FILES = sorted(path for path in _COMPOSE.glob("*.y*ml"))
_YAML = sorted(
    path for path in (ROOT / "deploy").rglob("*.y*ml") if "templates" not in path.parts and "files" not in path.parts
)


def _run(*command: str | Path, **variables: str) -> None:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_is_something_to_check() -> None:
    assert _DOCKERFILES
    assert {"compose.yaml", "gpu.yaml", "observability.yaml"} <= {path.name for path in _COMPOSE_FILES}


def test_each_tool_finds_a_fault(tmp_path: Path) -> None:
    """Or a tool that checks nothing would go unnoticed."""
    dockerfile, compose, spaced = (tmp_path / name for name in ("Dockerfile", "compose.yaml", "spaced.yaml"))
    dockerfile.write_text("FROM debian:latest\n")
    compose.write_text("services: {api: {imag: gridpress}}\n")
    spaced.write_text("a:   1\na: 2\n")

    for command in (
        [_BIN / "hadolint", "--config", _HADOLINT, dockerfile],
        [_BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", compose],
        [_BIN / "docker-compose", "-f", compose, "config", "--quiet"],
        [_BIN / "yamllint", "--strict", "--config-file", _YAMLLINT, spaced],
    ):
        with pytest.raises(AssertionError):
            _run(*command)


@pytest.mark.parametrize("path", _DOCKERFILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_hadolint_accepts_the_dockerfile(path: Path) -> None:
    _run(_BIN / "hadolint", "--config", _HADOLINT, path)


@pytest.mark.parametrize("path", _COMPOSE_FILES, ids=lambda path: path.name)
def test_the_compose_file_keeps_the_schema(path: Path) -> None:
    _run(_BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", path)


@pytest.mark.parametrize("overlay", [None, *(path.name for path in _COMPOSE_FILES if path.name != "compose.yaml")])
def test_compose_resolves_the_files_together(overlay: str | None) -> None:
    names = ["compose.yaml", *([overlay] if overlay else [])]
    files = [part for name in names for part in ("-f", str(_COMPOSE / name))]
    _run(_BIN / "docker-compose", *files, "config", "--quiet")


def test_yamllint_accepts_every_file() -> None:
    assert _YAML
    _run(_BIN / "yamllint", "--strict", "--config-file", _YAMLLINT, *_YAML)


def test_every_metric_that_a_rule_or_panel_names_exists() -> None:
    names = {selector.metric for expression in queries().values() for selector in selectors(expression)}

    assert not names - set(known()) - recorded() - {"up"}
    assert len(names) > 30


def test_the_schema_has_the_settings_of_the_code() -> None:
    text = settings_schema.FILE.read_text()

    assert settings_schema.with_settings(text) == text, "run `make docs`"
    assert not OWNED - set(Settings.model_fields)


def test_the_table_of_values_is_current() -> None:
    text = values_table.FILE.read_text()

    assert values_table.with_table(text) == text, "run `make docs`"


def test_the_chart_has_the_version_of_the_package() -> None:
    version = next(line for line in (ROOT / "pyproject.toml").read_text().splitlines() if line.startswith("version"))

    number = version.partition("=")[2].strip().strip('"')
    assert f"appVersion: {number}" in (CHART / "Chart.yaml").read_text().replace('"', "")
