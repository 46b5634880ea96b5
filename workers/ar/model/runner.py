"""Prepares sequences for decoding: writes their rotary tables, and computes the keys and values of their prompts.

It knows no queue, no scheduling and no randomness.
"""

from collections.abc import Sequence

import torch

from workers.ar.model.decoder import Decoder
from workers.ar.model.kv_memory import KvMemory
from workers.ar.model.loading import ArModel
from workers.ar.model.positions import Position
from workers.ar.scheduler import PREFILL_CHUNK
from workers.ar.sequence import ArSequence


class ArRunner:
    """Prefills prompts into the KV memory.

    A prompt is prefilled in chunks of a fixed size, counted from the sequence's first token. So the chunks never depend
    on the load.
    """

    def __init__(self, model: ArModel, memory: KvMemory, decoder: Decoder) -> None:
        self._network = model.network
        self._device = model.device
        self._decoder = decoder
        self.memory = memory

    @torch.inference_mode()
    def place(self, sequence: ArSequence, positions: Sequence[Position]) -> None:
        """Writes the rotary tables of a sequence into the sequence's extent (its range of the KV memory).

        The tables cover all tokens that the model will read until the sequence ends.
        """
        assert sequence.extent
        table = torch.tensor(positions[: sequence.num_kv_tokens], device=self._device).T.unsqueeze(1)
        cos, sin = self._network.model.language_model.rotary_emb(self.memory.cos, table)
        sin[..., : sin.shape[-1] // 2].neg_()  # the decoder swaps the halves and expects this sign
        self.memory.cos[sequence.extent.start : sequence.extent.end] = cos[0]
        self.memory.sin[sequence.extent.start : sequence.extent.end] = sin[0]
        sequence.is_placed = True

    @torch.inference_mode()
    def prefill(self, sequence: ArSequence) -> None:
        """Prefills the next chunk of the sequence's prompt."""
        assert sequence.extent
        done = sequence.num_prefilled
        count = min(PREFILL_CHUNK, sequence.num_to_prefill)
        token_ids = torch.tensor(sequence.prompt[done : done + count], device=self._device)
        with torch.cuda.device_of(token_ids):  # type: ignore[no-untyped-call]  # Triton uses the current GPU
            self._decoder.prefill(token_ids, sequence.extent.start, sequence.extent.start + done)
        sequence.num_prefilled += count

    @torch.inference_mode()
    def share_prefill(self, source: ArSequence, target: ArSequence) -> None:
        """Copies the keys and values of a prompt from the sequence `source` to the sequence `target`, which has the
        same prompt.
        """
        assert source.extent
        assert target.extent
        assert source.prompt == target.prompt
        self.memory.copy(source.extent, target.extent, source.num_prefilled)
        target.num_prefilled = source.num_prefilled


def kv_bytes_per_token(model: ArModel) -> int:
    """Returns the bytes of the keys and values of one token in all layers: 40 KiB for the full model in bfloat16."""
    config = model.network.config.text_config
    head_size = config.hidden_size // config.num_attention_heads
    item_size = torch.empty(0, dtype=model.network.dtype).element_size()
    return int(2 * config.num_hidden_layers * config.num_key_value_heads * head_size * item_size)


def allocate_kv_memory(model: ArModel, num_tokens: int) -> KvMemory:
    """Allocates KV memory for `num_tokens` tokens on the model's device."""
    config = model.network.config.text_config
    rotary = model.network.model.language_model.rotary_emb
    return KvMemory(
        num_layers=config.num_hidden_layers,
        num_kv_heads=config.num_key_value_heads,
        head_size=config.hidden_size // config.num_attention_heads,
        rotated_size=2 * rotary.inv_freq.numel(),
        num_tokens=num_tokens,
        device=model.device,
        dtype=model.network.dtype,
    )
