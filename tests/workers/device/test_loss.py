"""Which errors end a worker: after a fault of any library on a GPU, the GPU itself is asked."""

import pytest
import torch

from shared.errors import RenderFailed
from workers.device.loss import DeviceFull, HelperGone, is_device_lost

GPU, CPU = torch.device("cuda:1"), torch.device("cpu")


class CompilerError(Exception):
    """Stands for an error class of a library that torch does not know."""


FAULTS = [
    RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemmEx(...)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    RuntimeError("Triton Error [CUDA]: an illegal memory access was encountered"),
    RuntimeError("NCCL error in: ProcessGroupNCCL.cpp:3690, unhandled cuda error"),
    CompilerError("unspecified launch failure"),
    ZeroDivisionError(),
]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[torch.device]:
    """Returns the devices that were asked; none of them responds."""
    devices = list[torch.device]()

    def synchronize(device: torch.device) -> None:
        devices.append(device)
        raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(torch.cuda, "synchronize", synchronize)
    return devices


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: str(fault)[:20])
def test_after_a_fault_of_any_library_the_gpu_that_does_not_respond_is_lost(
    fault: Exception, asked: list[torch.device]
) -> None:
    assert is_device_lost(fault, GPU)
    assert asked == [GPU], "another GPU of the process would respond"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: str(fault)[:20])
def test_the_same_errors_leave_a_gpu_that_responds_and_a_cpu_in_use(
    fault: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "synchronize", lambda _: None)
    assert not is_device_lost(fault, GPU)
    assert not is_device_lost(fault, CPU)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("full"), RenderFailed("nan_latents", "step 3")])
def test_a_full_device_and_an_error_of_a_request_need_no_question(error: Exception, asked: list[torch.device]) -> None:
    assert not is_device_lost(error, GPU)
    assert not asked


@pytest.mark.parametrize("error", [torch.AcceleratorError("ECC"), DeviceFull(), HelperGone()])
def test_errors_that_say_so_themselves_need_no_question(error: Exception, asked: list[torch.device]) -> None:
    assert is_device_lost(error, CPU)
    assert not asked
