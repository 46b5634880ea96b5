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
OPERATIONS = {
    "triton::_rotate_and_write": 1,
    "triton::_attend_lane": 1,
    "triton::_join_lanes": 1,
    "triton::_silu_mul": 1,
    "triton::_add_norm": 2,
}
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
    products = {"aten::addmm": 1, "aten::mm": 3}
    assert of_a_layer(found, "bfloat16") == {**products, **OPERATIONS}


def test_a_layer_in_fp8_also_converts_the_inputs_of_its_four_products(found: dict[str, Any]) -> None:
    products = {"aten::_scaled_mm_v2": 4, "triton::_to_fp8": 4}
    assert of_a_layer(found, "fp8") == {**products, **OPERATIONS}


def of_a_layer(found: dict[str, Any], weights: str) -> Counter[str]:
    """Returns the launches of one layer: those that a step of two layers has more than a step of one."""
    one_layer, two_layers = (Counter(found["launches"][weights][number]) for number in ("1", "2"))
    return two_layers - one_layer


def test_a_step_launches_little_outside_its_layers(found: dict[str, Any]) -> None:
    outside = Counter(found["launches"]["bfloat16"]["1"]) - of_a_layer(found, "bfloat16")
    places = {"aten::add": 1, "aten::sub": 1}  # of the new tokens in the KV memory
    model = {"aten::embedding": 1, "triton::_norm": 1, "aten::mm": 1, "triton::_sample": 1}
    next_inputs = {"aten::remainder": 1, "aten::scatter_": 1, "aten::clamp": 1, "aten::add_": 1}
    assert outside == {**places, **model, **next_inputs}


@pytest.mark.parametrize(
    ("capability", "expected"),
    [(80, KERNELS), (89, {"_to_fp8"}), (90, KERNELS | {"_to_fp8"}), (100, KERNELS | {"_to_fp8"})],
)
def test_kernels_compile_and_leave_room_for_other_programs(
    found: dict[str, Any], capability: int, expected: set[str]
) -> None:
    compiled = [each for each in found["compiled"] if each["capability"] == capability]
    assert {each["kernel"] for each in compiled} == expected
    for each in compiled:
        assert each["registers"] <= MAX_REGISTERS, each
        assert each["stack"] == 0, f"registers were spilled: {each}"
        assert each["shared"] <= MAX_SHARED_BYTES, each
