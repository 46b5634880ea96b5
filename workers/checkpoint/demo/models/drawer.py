"""Combines the AR model and its probe (an output that only training needs) in one module. Runs no training itself."""

from torch import nn
from transformers import GlmImageForConditionalGeneration

from workers.checkpoint.demo.models.probe import Probe

_MOST_CELLS = 32  # rows or columns of a grid


class Drawer(nn.Module):
    """The AR model with a probe, which is an output that only training needs. The probe predicts the row and the column
    of the next token.
    """

    def __init__(self, ar: GlmImageForConditionalGeneration) -> None:
        super().__init__()
        self.ar = ar
        self.probe = Probe(ar.config.text_config.hidden_size, (_MOST_CELLS, _MOST_CELLS))
