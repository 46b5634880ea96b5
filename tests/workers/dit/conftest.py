"""The small checkpoint's DiT half, and the reference pipeline over the same weights."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from diffusers import GlmImagePipeline

from workers.dit.model.loading import DitModel, load_dit_model
from workers.dit.model.runner import DitRunner


@pytest.fixture(scope="session")
def dit_model(tiny_checkpoint: Path) -> DitModel:
    return load_dit_model(str(tiny_checkpoint), torch.device("cpu"), torch.float32)


@pytest.fixture
def runner(dit_model: DitModel) -> DitRunner:
    return DitRunner(dit_model)


@pytest.fixture
def passes(dit_model: DitModel) -> Iterator[list[int]]:
    """The number of rows of every pass through the transformer's blocks."""
    rows: list[int] = []
    first = dit_model.transformer.transformer_blocks[0]
    hook = first.register_forward_pre_hook(lambda _, args: rows.append(len(args[0])))
    yield rows
    hook.remove()


@pytest.fixture(scope="session")
def load_reference(tiny_checkpoint: Path) -> Callable[[torch.dtype], GlmImagePipeline]:
    """`GlmImagePipeline` from its prior tokens on: the AR half is not needed and not loaded."""

    def load(dtype: torch.dtype) -> GlmImagePipeline:
        without_ar = {"vision_language_encoder": None, "processor": None}
        pipeline = GlmImagePipeline.from_pretrained(tiny_checkpoint, dtype=dtype, **without_ar)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    return load


@pytest.fixture(scope="session")
def reference(load_reference: Callable[[torch.dtype], GlmImagePipeline]) -> GlmImagePipeline:
    return load_reference(torch.float32)
