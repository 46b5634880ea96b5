"""Installs the clients that `versions.toml` names: virtual environments, and a folder of npm packages if npm is there.

An environment is installed again only after its table has changed.
"""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(__file__).parent
FOLDER = CHECKOUT / ".venv-clients"

_INSTALL_LIMIT_S = 900
_WITH_GRIDPRESS = "celery"  # the environment whose programs load our Celery app


class Environments:
    """The environments of all clients. Each is installed when the first client asks for it."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._tables: Mapping[str, Mapping[str, str]] = tomllib.loads((PROGRAMS / "versions.toml").read_text())

    def version(self, environment: str, package: str) -> str:
        """Returns the version of a package, which may have extras in the table."""
        table = self._tables[environment]
        found = next(version for name, version in table.items() if name.partition("[")[0] == package)
        return found.rpartition("@")[2]

    def program(self, environment: str, name: str) -> str:
        """Returns the path of a command that is installed in a virtual environment."""
        return str(self.python(environment) / name)

    def python(self, environment: str) -> Path:
        """Returns the folder of the environment's commands. Installs the environment first, unless it is up to date."""
        folder, table = self._folder / environment, self._tables[environment]
        packages = [f"{name}=={version}" for name, version in table.items()]
        extra = ("--editable", str(CHECKOUT)) if environment == _WITH_GRIDPRESS else ()
        if not _is_made(folder, table):
            shutil.rmtree(folder, ignore_errors=True)
            _run("venv", "--python", sys.executable, str(folder))
            _run("pip", "install", "--python", str(folder / "bin/python"), *packages, *extra)
            _note(folder, table)
        return folder / "bin"

    def node(self, environment: str = "node") -> Path | None:
        """Returns the folder with the npm packages and the programs that use them, or None if there is no npm.

        Installs the packages first, unless they are up to date. Node looks for packages beside a program's real path,
        so the programs are copied.
        """
        npm = shutil.which("npm")
        if npm is None or shutil.which("node") is None:
            return None
        folder, table = self._folder / environment, self._tables[environment]
        if not _is_made(folder, table):
            folder.mkdir(parents=True, exist_ok=True)
            package = {"private": True, "type": "module", "dependencies": table}
            (folder / "package.json").write_text(json.dumps(package))
            options = ("--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
            subprocess.run((npm, "install", *options), cwd=folder, check=True, timeout=_INSTALL_LIMIT_S)
            _note(folder, table)
        for program in (PROGRAMS / "node").iterdir():
            shutil.copy(program, folder)
        return folder


def version_of_command(command: Sequence[str]) -> str:
    """Returns the version that a command of the system prints about itself."""
    text = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    found = re.search(r"\d+(\.\d+)+", text)
    return found[0] if found else "?"


def _run(*arguments: str) -> None:
    uv = str(Path(sys.executable).with_name("uv"))  # of the dependency group `containers`, which the target installs
    subprocess.run((uv, *arguments, "--quiet"), check=True, timeout=_INSTALL_LIMIT_S)


def _is_made(folder: Path, table: Mapping[str, str]) -> bool:
    note = folder / "made.json"
    return note.exists() and json.loads(note.read_text()) == table


def _note(folder: Path, table: Mapping[str, str]) -> None:
    (folder / "made.json").write_text(json.dumps(table))
