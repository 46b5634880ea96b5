"""The full model's decode step without its weights: how many kernels it launches, and what its Triton kernels use when
they are compiled for GPUs of three generations. No GPU is needed, and none has run them yet.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(
    find_spec("triton") is None, reason="Triton is not installed: make test installs it on Linux"
)

ROOT = Path(__file__).parents[4]
GPUS = {80: "A100", 90: "H100", 100: "B200"}  # by compute capability
KERNELS = {"_norm", "_add_norm", "_silu_mul", "_rotate_and_write", "_attend_lane", "_join_lanes", "_sample"}
# What these GPUs have for one program: 163 KiB of shared memory on an A100, more on the others. At half of it, two
# programs share a processor.
MAX_SHARED_BYTES = 163 * 1024 // 2
MAX_REGISTERS = 128  # of a thread; with more, less than four warps of each scheduler fit


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    env = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    env["TRITON_CACHE_DIR"] = str(tmp_path_factory.mktemp("triton"))
    command = [sys.executable, "-m", "tests.workers.ar.kernels.compiled", *map(str, GPUS)]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_a_layer_launches_four_matrix_products_and_six_kernels(found: dict[str, Any]) -> None:
    one_layer, two_layers = (Counter(found["launches"][number]) for number in ("1", "2"))
    products = {"aten::addmm": 1, "aten::mm": 3}
    kernels = {f"triton::{name}": 1 for name in KERNELS - {"_norm", "_add_norm", "_sample"}}
    assert two_layers - one_layer == {**products, **kernels, "triton::_add_norm": 2}


def test_a_step_launches_little_outside_its_layers(found: dict[str, Any]) -> None:
    one_layer, two_layers = (Counter(found["launches"][number]) for number in ("1", "2"))
    outside = one_layer - (two_layers - one_layer)
    places = {"aten::add": 1, "aten::sub": 1}  # of the new tokens in the KV memory
    assert outside == {**places, "aten::embedding": 1, "triton::_norm": 1, "aten::mm": 1, "triton::_sample": 1}


@pytest.mark.parametrize("capability", GPUS)
def test_kernels_compile_and_leave_room_for_other_programs(found: dict[str, Any], capability: int) -> None:
    compiled = [each for each in found["compiled"] if each["capability"] == capability]
    assert {each["kernel"] for each in compiled} == KERNELS
    for each in compiled:
        assert each["registers"] <= MAX_REGISTERS, each
        assert each["stack"] == 0, f"registers were spilled: {each}"
        assert each["shared"] <= MAX_SHARED_BYTES, each
