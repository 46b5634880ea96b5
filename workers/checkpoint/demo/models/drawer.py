"""The AR model while it is trained: itself, and a probe of positions. Trains nothing."""

from torch import nn
from transformers import GlmImageForConditionalGeneration

from workers.checkpoint.demo.models.probe import Probe

_MOST_CELLS = 32  # rows or columns of a grid


class Drawer(nn.Module):
    """`probe` guesses the row and the column of the token that comes next."""

    def __init__(self, ar: GlmImageForConditionalGeneration) -> None:
        super().__init__()
        self.ar = ar
        self.probe = Probe(ar.config.text_config.hidden_size, (_MOST_CELLS, _MOST_CELLS))
