"""The Triton kernels in Triton's interpreter, on a CPU, beside torch's own attention. Compiled they need a GPU."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from tests.workers.ar.claims import a_claim, an_engine, finish
from workers.ar.model.loading import ArModel

ROOT = Path(__file__).parents[3]


@pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed: it comes with torch's CUDA builds")
@pytest.mark.parametrize(
    ("heads", "kv_heads", "head_size", "dtype"),
    [(32, 2, 128, "float32"), (4, 2, 32, "float32"), (4, 2, 32, "float16")],
    ids=["full model", "small model", "half precision"],
)
def test_rows_attend_as_with_torchs_attention_and_apart_from_each_other(
    heads: int, kv_heads: int, head_size: int, dtype: str
) -> None:
    # A process of its own: the interpreter is chosen when Triton is imported, for all kernels of a process.
    command = [sys.executable, "-m", "tests.workers.ar.interpreted", str(heads), str(kv_heads), str(head_size), dtype]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "TRITON_INTERPRET": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(torch.cuda.is_available(), reason="an earlier test may have decoded on the GPU")
def test_a_cpu_worker_imports_no_triton(ar_model: ArModel) -> None:
    finish(an_engine(ar_model), [a_claim("a", images=("mug",))])
    assert "workers.ar.model.split_attention" not in sys.modules
