"""`python -m tests.workers.ar.kernels.compiled CAPABILITY...`: runs the decode step of the full model on tensors
without data, and compiles its kernels for GPUs of these compute capabilities. Needs no GPU.

Prints a JSON object: the launches of steps of one layer and of two layers, in bfloat16 and with layers in FP8, and what
each compiled kernel uses.
"""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import torch
import triton
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import GlmImageConfig, GlmImageForConditionalGeneration
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from workers.ar.model.decode_loop import DecodeLoop
from workers.ar.model.decoder import Decoder
from workers.ar.model.loading import ArModel, Sampling, prepare
from workers.ar.model.runner import allocate_kv_memory
from workers.ar.model.step_kernels import triton_kernels

NUM_ROWS = 32
FP8_CAPABILITY = 89  # the least with FP8 in hardware
_META = torch.device("meta")
_ALLOCATES = ("aten::empty", "aten::new_empty", "aten::empty_like")


@dataclass
class Launches(TorchDispatchMode):
    """Records the names of all operations that launch a kernel, of torch and of Triton, and Triton's arguments.

    An operation of torch launches nothing if its result is a view of an argument, or only new memory.
    """

    names: list[str] = field(default_factory=list)
    kernels: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        known = {each.untyped_storage()._cdata for each in args if isinstance(each, torch.Tensor)}
        outputs = [result] if isinstance(result, torch.Tensor) else list(result)
        is_view = not func._schema.is_mutable and all(each.untyped_storage()._cdata in known for each in outputs)
        if not is_view and func._schema.name not in _ALLOCATES:
            self.names.append(func._schema.name)
        return result

    def hook(self, *, fn: Any, compile: dict[str, Any], **_: Any) -> bool:  # Triton names the arguments
        """Records a launch of a Triton kernel. It returns True, so Triton neither compiles nor launches the kernel."""
        self.names.append(f"triton::{fn.name}")
        self.kernels[fn.name] = (fn.jit_function, compile)
        return True


def a_driver(target: GPUTarget) -> SimpleNamespace:
    """Returns what Triton asks of a GPU's driver before it compiles a kernel."""
    return SimpleNamespace(
        get_current_device=lambda: 0, get_current_stream=lambda _: 0, get_current_target=lambda: target
    )


def a_model(num_layers: int, *, in_fp8: bool) -> ArModel:
    """Returns the AR model at its full width, with fewer layers and without data."""
    config = GlmImageConfig(text_config={"num_hidden_layers": num_layers}, vision_config={"depth": 1})
    torch.set_default_dtype(torch.bfloat16)
    with _META:
        network = GlmImageForConditionalGeneration(config).eval()
    sampling = Sampling(temperature=0.9, top_k=16512, top_p=0.75, num_codes=16384)
    return ArModel(prepare(network, in_fp8=in_fp8), None, sampling, None)  # type: ignore[arg-type] - a step reads no text


def launches(num_layers: int, target: GPUTarget, *, in_fp8: bool = False) -> Launches:
    """Returns the launches of one decode step."""
    model = a_model(num_layers, in_fp8=in_fp8)
    memory = allocate_kv_memory(model, 4096)
    kernels = triton_kernels(model, memory, NUM_ROWS)
    decoder = Decoder(model.network, memory, kernels.attention, kernels.ops)
    loop = DecodeLoop(model, memory, decoder, kernels, NUM_ROWS, is_fixed=True)
    found = Launches()
    triton.runtime.driver.set_active(a_driver(target))
    triton.knobs.runtime.jit_cache_hook = found.hook
    with torch.no_grad(), found:
        loop.compute()
    triton.knobs.runtime.jit_cache_hook = None
    return found


def usage(kernel: Any, call: dict[str, Any], target: GPUTarget) -> dict[str, Any]:
    """Compiles a kernel as the step launches it, and returns what it uses: registers of a thread, bytes of stack (to
    which the compiler spills registers) and bytes of shared memory.
    """
    source = ASTSource(kernel, call["signature"], call["constants"], call["configs"][0])
    compiled = triton.compile(source, target=target, options={"num_warps": call["num_warps"]})
    [binary] = [path for name, path in compiled.metadata_group.items() if name.endswith(".cubin")]
    tool = [triton.knobs.nvidia.cuobjdump.path, "-res-usage", binary]
    found = subprocess.run(tool, capture_output=True, text=True, check=True).stdout
    numbers = {name: int(number) for name, number in re.findall(r"\b(REG|STACK|LOCAL):(\d+)", found)}
    return {
        "capability": target.arch,
        "kernel": kernel.__name__,
        "registers": numbers["REG"],
        "stack": numbers["STACK"] + numbers["LOCAL"],
        "shared": compiled.metadata.shared,
    }


def main(capabilities: Sequence[int]) -> None:
    targets = [GPUTarget("cuda", capability, 32) for capability in capabilities]
    steps = {num_layers: launches(num_layers, targets[0]) for num_layers in (1, 2)}
    in_fp8 = {num_layers: launches(num_layers, targets[0], in_fp8=True) for num_layers in (1, 2)}
    compiled = [usage(*call, target) for call in steps[1].kernels.values() for target in targets]
    conversion = in_fp8[1].kernels["_to_fp8"]
    # The GPUs without FP8 in hardware can't compile it; the first with it gets no other kernel, to save time.
    with_fp8 = sorted({FP8_CAPABILITY, *(capability for capability in capabilities if capability > FP8_CAPABILITY)})
    compiled += [usage(*conversion, GPUTarget("cuda", capability, 32)) for capability in with_fp8]
    named = {"bfloat16": steps, "fp8": in_fp8}
    found = {name: {str(n): step.names for n, step in each.items()} for name, each in named.items()}
    json.dump({"launches": found, "compiled": compiled}, sys.stdout)


if __name__ == "__main__":
    main([int(capability) for capability in sys.argv[1:]])
