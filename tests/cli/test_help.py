"""Every command explains itself, and none loads what it does not need."""

import errno
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cli.main import main
from cli.sections import SECTIONS


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


ALL = dict(commands(main))


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_explains_itself_with_an_example(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, [*path, "--help"], terminal_width=100)
    assert result.exit_code == 0
    assert "Example" in result.output
    assert f"gridpress {' '.join(path)}" in result.output.partition("Example")[2]


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_option_says_what_it_is_for(path: tuple[str, ...]) -> None:
    silent = [option.name for option in ALL[path].params if isinstance(option, click.Option) and not option.help]
    assert silent == []


def test_the_exit_statuses_are_documented() -> None:
    shown = " ".join(CliRunner().invoke(main, ["--help"]).output.split())
    assert "Exit status: 0 done; 1 a job failed or a request was refused; 2 wrong command line; 3 the service" in shown


def test_a_wrong_command_line_is_exit_status_2() -> None:
    assert CliRunner().invoke(main, ["render"]).exit_code == 2


def test_a_setting_that_cannot_be_read_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDPRESS_LEASE_TTL_S", "soon")
    result = CliRunner().invoke(main, ["up"])
    assert result.exit_code == 2
    assert "GRIDPRESS_LEASE_TTL_S" in result.stderr
    assert result.stderr.count("\n") == 1


def test_asking_for_help_loads_nothing_heavy() -> None:
    heavy = {"torch", "PIL", "flask", "boto3", "redis", "celery", "cryptography"}
    script = f"import cli.main, sys; print({heavy} & sys.modules.keys())"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def test_a_missing_package_is_named_in_one_line_with_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_package() -> None:
        raise ModuleNotFoundError("No module named 'trustme'", name="trustme")

    monkeypatch.setattr(main.commands["plan"], "callback", without_package)
    monkeypatch.setattr(main.commands["plan"], "params", [])
    result = CliRunner().invoke(main, ["plan"])
    assert (result.exit_code, result.stderr.count("\n")) == (3, 1)
    assert "the package trustme is missing: pip install 'gridpress[api,workers,local]'" in result.stderr


def test_a_full_disk_is_told_in_one_line_with_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def on_full_disk() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/data/secrets/key")

    monkeypatch.setattr(main.commands["plan"], "callback", on_full_disk)
    monkeypatch.setattr(main.commands["plan"], "params", [])
    result = CliRunner().invoke(main, ["plan"])
    assert (result.exit_code, result.stderr) == (
        3,
        "gridpress: /data/secrets/key can't be written: No space left on device\n",
    )


def test_make_help_lists_every_described_target() -> None:
    makefile = Path(__file__).parents[2] / "Makefile"
    described = {
        text.partition(":")[0] for text in makefile.read_text().splitlines() if re.match(r"[\w-]+:.*## ", text)
    }
    # The suite itself runs under make, whose flags would have this one tell its directory.
    ours = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL")}
    command = ["make", "-f", makefile, "help"]
    shown = subprocess.run(command, env=ours, capture_output=True, text=True, check=True).stdout
    assert {text.split()[0] for text in shown.splitlines()} == described


def test_every_command_is_in_one_section_of_the_help() -> None:
    listed = [name for names in SECTIONS.values() for name in names]
    assert sorted(listed) == sorted(main.commands)
    shown = CliRunner().invoke(main, ["--help"]).output
    assert all(f"  {name} " in shown for name in listed)


# A deletion and the end of a pause or drain are answered with 204 and no body. `batch run` and `open` end with files.
_WITHOUT_JSON = {
    ("jobs", "delete"), ("dead-letters", "purge"), ("batch", "delete"), ("webhooks", "remove"),
    ("admin", "resume"), ("admin", "undrain"), ("batch", "run"), ("open",),
}  # fmt: skip


def test_every_command_that_gets_an_answer_prints_it_as_json_too() -> None:
    calling = {path for path, command in ALL.items() if any(each.name == "url" for each in command.params)}
    with_json = {path for path, command in ALL.items() if any("--json" in each.opts for each in command.params)}
    assert calling - with_json == _WITHOUT_JSON
