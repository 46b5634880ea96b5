"""What the images hold, and what they leave out."""

import json

import pytest

from tests.containers.engine import Engine, run
from tests.containers.images import has_gpu_image

pytestmark = [pytest.mark.containers, pytest.mark.timeout(3600)]

_LOCKED_DOWN = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--network", "none")
_ULIMIT = ("--ulimit", "nofile=20000:20000")
# A small kernel by Inductor, which compiles C++; its picture of the same sum must agree.
_COMPILE = """
import torch
def kernel(x): return (x * 2 + 1).relu().sum()
x = torch.linspace(-1, 1, 4096)
assert torch.allclose(torch.compile(kernel, backend="inductor")(x), kernel(x))
print("compiled")
"""


def _in_image(engine: Engine, target: str, *argv: str) -> str:
    options = (*_LOCKED_DOWN, *_ULIMIT, "--tmpfs", "/tmp:mode=1777")
    return run(("docker", "run", "--rm", *options, f"gridpress-{target}:new", *argv), env=engine.environment)


@pytest.mark.parametrize("target", ["api", "worker"])
def test_an_image_without_a_device_holds_neither_torch_nor_a_compiler_nor_an_installer(
    engine: Engine, target: str
) -> None:
    script = "for tool in gcc g++ cc make pip pip3 curl git; do command -v $tool; done; true"
    assert _in_image(engine, target, "sh", "-c", script) == ""
    names = [part["name"] for part in json.loads(_sbom(engine, target))["components"]]
    assert "celery" in names
    assert {"torch", "transformers", "setuptools", "pip"}.isdisjoint(names)


@pytest.mark.parametrize("target", ["api", "worker"])
def test_an_image_tells_its_version_licence_and_all_it_holds(engine: Engine, target: str) -> None:
    argv = ("docker", "inspect", "--format", "{{json .Config}}", f"gridpress-{target}:new")
    config = json.loads(run(argv, env=engine.environment))
    labels = {name.removeprefix("org.opencontainers.image."): text for name, text in config["Labels"].items()}
    assert labels["licenses"] == "MIT"
    assert len(labels["revision"]) == 40
    assert labels["version"]
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == ["tini", "--"]
    assert json.loads(_sbom(engine, target))["bomFormat"] == "CycloneDX"


def test_a_role_without_its_store_says_so_in_one_line_and_never_starts(engine: Engine) -> None:
    argv = ["docker", "run", "--rm", *_LOCKED_DOWN, *_ULIMIT, "--tmpfs", "/tmp", "--tmpfs", "/run/gridpress:mode=1777"]
    script = "python -m workers.upkeep; echo exit $?"
    shown = run((*argv, "gridpress-worker:new", "sh", "-c", f"{{ {script}; }} 2>&1"), env=engine.environment)
    assert shown.splitlines()[-1] == "exit 78"
    assert "GRIDPRESS_REDIS_URL" in shown


@pytest.mark.skipif(not has_gpu_image(), reason="GRIDPRESS_TEST_NO_GPU_IMAGE is set")
def test_the_gpu_image_compiles_a_kernel_under_a_read_only_root(engine: Engine) -> None:
    options = (*_LOCKED_DOWN, *_ULIMIT, "--tmpfs", "/tmp:mode=1777", "--volume", "/var/cache/gridpress")
    argv = ("docker", "run", "--rm", *options, "gridpress-gpu:new", "python", "-c", _COMPILE)
    assert "compiled" in run(argv, env=engine.environment)


def _sbom(engine: Engine, target: str) -> str:
    return _in_image(engine, target, "cat", "/opt/gridpress/share/sbom.cdx.json")
