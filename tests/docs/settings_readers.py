"""Tells which processes read which setting, by what their modules import and mention. Runs nothing of them."""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from shared.settings.settings import Settings

ROOT = Path(__file__).parents[2]
_PACKAGES = ("api", "cli", "gridpress", "shared", "workers")
ROLES: Mapping[str, tuple[str, ...]] = {
    "API": ("api.__main__", "api.batches.check_task"),
    "AR": ("workers.ar.__main__", "workers.ar.main", "workers.simulate.ar"),  # the last two by import_module
    "DiT": ("workers.dit.__main__", "workers.dit.main", "workers.simulate.dit"),
    "delivery": ("workers.delivery.__main__",),
    "enhance": ("workers.enhance.__main__",),
    "batches": ("workers.batches.__main__",),
    "upkeep": ("workers.upkeep.__main__",),
    "up": ("cli.up.command",),
}
_MENTION = re.compile(r"settings\.([a-z_0-9]+)\b")
# Read while the settings are made, as a part of another one.
_PART_OF = dict.fromkeys(("redis_ca_file", "redis_cert_file", "redis_key_file"), "redis_url")


@cache
def readers() -> Mapping[str, list[str]]:
    """Returns for each setting the roles whose code mentions it. More may be named than read it, never fewer."""
    by_role = {role: set[str]().union(*map(_mentioned, _reached(roots))) for role, roots in ROLES.items()}
    return {
        name: [role for role, names in by_role.items() if _PART_OF.get(name, name) in names]
        for name in Settings.model_fields
    }


def _reached(roots: tuple[str, ...]) -> set[str]:
    """Returns the modules of ours that these import, directly or not, also inside functions."""
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        module = waiting.pop()
        if module not in found and _file(module):
            found.add(module)
            waiting += _imports(module)
    return found


@cache
def _imports(module: str) -> tuple[str, ...]:
    return tuple(name for name in _named(module) if name.partition(".")[0] in _PACKAGES)


def _named(module: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(_text(module))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def _mentioned(module: str) -> frozenset[str]:
    return frozenset(_MENTION.findall(_text(module)))


def _text(module: str) -> str:
    file = _file(module)
    assert file
    return file.read_text()


@cache
def _file(module: str) -> Path | None:
    path = ROOT.joinpath(*module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.exists()), None)
