"""The Triton kernels in Triton's interpreter, on a CPU, beside torch's own operations."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from tests.workers.ar.claims import a_claim, an_engine, finish
from workers.ar.model.loading import ArModel

ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def errors() -> dict[str, str | None]:
    # A process of its own: the interpreter is chosen when Triton is imported, for all kernels of a process.
    command = [sys.executable, "-m", "tests.workers.ar.kernels.interpreted"]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "TRITON_INTERPRET": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str | None] = json.loads(done.stdout)
    return found


@pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed: make test installs it on Linux")
@pytest.mark.parametrize(
    "check", ["attention", "norms", "silu_mul", "fp8", "rotation", "sampling", "whole_step", "prefill"]
)
def test_kernels_compute_what_torch_does_and_each_row_apart_from_the_others(
    errors: dict[str, str | None], check: str
) -> None:
    assert errors[check] is None, errors[check]


@pytest.mark.skipif(torch.cuda.is_available(), reason="an earlier test may have decoded on the GPU")
def test_a_cpu_worker_imports_no_kernel(ar_model: ArModel) -> None:
    finish(an_engine(ar_model), [a_claim("a", images=("mug",))])
    assert not [name for name in sys.modules if name.startswith("workers.ar.kernels")]
