"""The small checkpoint's AR half."""

from pathlib import Path

import pytest
import torch

from workers.ar.model.loading import ArModel, load_ar_model


@pytest.fixture(scope="session")
def ar_model(tiny_checkpoint: Path) -> ArModel:
    return load_ar_model(str(tiny_checkpoint), torch.device("cpu"), torch.float32)
