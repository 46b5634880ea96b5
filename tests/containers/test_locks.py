"""The locks hold what pyproject.toml asks for. Needs no engine, so it runs with all other tests."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_TOP = Path(__file__).parents[2]
_LOCKED = re.compile(r"^([A-Za-z0-9._-]+)==(\S+) \\$", re.MULTILINE)
_EXTRAS = {
    "api": ("api", "otel"),
    "worker": ("service", "otel"),
    "gpu-cpu": ("workers", "fp8", "otel"),
    "gpu-cuda": ("workers", "fp8", "otel"),
}


def _locked(name: str) -> Mapping[str, str]:
    text = (_TOP / "docker" / "locks" / f"{name}.txt").read_text()
    return {canonicalize_name(package): version for package, version in _LOCKED.findall(text)}


@pytest.mark.parametrize("name", _EXTRAS)
def test_a_lock_satisfies_what_pyproject_asks_for(name: str) -> None:
    project = tomllib.loads((_TOP / "pyproject.toml").read_text())["project"]
    extras = {*_EXTRAS[name], "service"}  # the extras of all roles name the extra `service`
    asked = [line for extra in extras for line in project["optional-dependencies"][extra]]
    locked = _locked(name)
    wanted = [each for each in map(Requirement, [*project["dependencies"], *asked]) if each.name != "gridpress"]
    wrong = [str(need) for need in wanted if not need.specifier.contains(locked.get(canonicalize_name(need.name), "0"))]
    assert wrong == [], "make lock"


@pytest.mark.parametrize("name", ["build", *_EXTRAS])
def test_every_locked_version_has_a_hash(name: str) -> None:
    text = (_TOP / "docker" / "locks" / f"{name}.txt").read_text()
    parts = re.split(r"^(?=\S)", text, flags=re.MULTILINE)[1:]
    assert [part.split()[0] for part in parts if "--hash=sha256:" not in part] == []


@pytest.mark.parametrize("name", ["api", "worker"])
def test_no_torch_is_locked_for_what_needs_none(name: str) -> None:
    assert {"torch", "transformers", "diffusers", "numpy"}.isdisjoint(_locked(name))


def test_all_images_share_the_versions_of_what_they_share() -> None:
    found: dict[str, set[str]] = {}
    for name in _EXTRAS:
        for package, version in _locked(name).items():
            found.setdefault(package, set()).add(version.removesuffix("+cpu"))
    assert {package: versions for package, versions in found.items() if len(versions) > 1} == {}
