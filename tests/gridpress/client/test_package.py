"""What the package brings: a light import, and two clients with the same methods."""

import inspect
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

import gridpress.client
from gridpress.client import async_client, client

_HEAVY = ("boto3", "botocore", "celery", "cryptography", "flask", "gevent", "kombu", "redis", "torch", "api", "workers")
_ROOT = Path(__file__).parents[3]
_SETUPTOOLS = tomllib.loads((_ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
_CLASSES = ("Client", "Batches", "Files", "Webhooks", "Keys", "Tenants", "Endpoints")


def test_its_import_loads_nothing_of_the_service() -> None:
    script = f"import sys, gridpress.client; print([name for name in {_HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("package", ["gridpress", "shared"])  # the models are in `shared`
def test_type_checkers_may_read_the_types(package: str) -> None:
    assert (_ROOT / package / "py.typed").is_file()
    assert "py.typed" in _SETUPTOOLS["package-data"][package]


def test_the_wheel_has_every_folder_of_the_package() -> None:
    included = _SETUPTOOLS["packages"]["find"]["include"]
    folders = [file.parent.relative_to(_ROOT) for file in (_ROOT / "gridpress").rglob("*.py")]
    assert folders
    for folder in folders:
        assert any(fnmatch(".".join(folder.parts), pattern) for pattern in included), folder


def test_all_public_names_exist() -> None:
    assert [name for name in gridpress.client.__all__ if not hasattr(gridpress.client, name)] == []


def _methods(of: type) -> Iterator[tuple[str, inspect.Signature]]:
    for name, found in inspect.getmembers(of, inspect.isfunction):
        if not name.startswith("_"):
            yield name, inspect.signature(found)


@pytest.mark.parametrize("name", _CLASSES)
def test_the_async_client_has_the_methods_of_the_sync_one(name: str) -> None:
    sync, twin = dict(_methods(getattr(client, name))), dict(_methods(getattr(async_client, f"Async{name}")))
    assert sync.keys() == twin.keys()
    for method, signature in sync.items():
        assert signature.parameters == twin[method].parameters, method
        returned = str(twin[method].return_annotation).replace("AsyncIterator", "Iterator")
        assert returned == str(signature.return_annotation), method
        assert inspect.getdoc(getattr(getattr(client, name), method)) == inspect.getdoc(
            getattr(getattr(async_client, f"Async{name}"), method)
        )
