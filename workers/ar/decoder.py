"""The language model over the KV memory: many sequences of different lengths in one pass. Keeps nothing between passes.

The arithmetic is `GlmImageTextModel`'s; its modules hold the weights. Only the cache and the batching are ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from torch import Tensor, nn

from workers.ar.kv_memory import KvMemory


@dataclass(frozen=True, slots=True)
class Span:
    """Keys and values `start .. end - 1` of the memory: all that one row may look at."""

    start: int
    end: int


class Decoder:
    """`prefill` fills the memory with a part of a prompt, `decode` adds one token to each of many sequences."""

    def __init__(self, network: Any, memory: KvMemory) -> None:
        config = network.config.text_config
        self._text = network.model.language_model
        self._lm_head: nn.Linear = network.lm_head
        self._memory = memory
        self._num_heads: int = config.num_attention_heads
        self._num_kv_heads: int = config.num_key_value_heads
        self._head_size = config.hidden_size // config.num_attention_heads
        self._eps: float = config.rms_norm_eps
        self._qkv = [_fused(layer.self_attn) for layer in self._text.layers]
        if self._lm_head.weight.device.type == "cpu":
            # Stored by columns, a product with one row of so wide a matrix takes half the time (measured with MKL).
            self._lm_head.weight.data = self._lm_head.weight.data.T.contiguous().T

    def prefill(self, token_ids: Tensor, start: int, first: int) -> None:
        """Keys and values of a part of one prompt. `token_ids` (tokens,) go to memory from `first` on.

        The prompt itself begins at `start`; a token sees what is before it.
        """
        end = first + len(token_ids)
        seen = torch.arange(start, end, device=token_ids.device)
        mask = seen <= torch.arange(first, end, device=token_ids.device).unsqueeze(1)

        def attend(layer: int, query: Tensor) -> Tensor:
            """(tokens, heads, head size) -> the same."""
            keys, values = (memory[layer, :, start:end] for memory in (self._memory.keys, self._memory.values))
            heads = query.transpose(0, 1).unsqueeze(0)
            out = F.scaled_dot_product_attention(
                heads, keys.unsqueeze(0), values.unsqueeze(0), attn_mask=mask, enable_gqa=True
            )
            return out.squeeze(0).transpose(0, 1)

        self._forward(token_ids, torch.arange(first, end, device=token_ids.device), attend)

    def decode(self, token_ids: Tensor, slots: Tensor, spans: Sequence[Span]) -> Tensor:
        """Logits (rows, vision vocabulary) after one more token per row, written to memory at `slots` (rows,).

        Row k sees `spans[k]`, which ends with its own token. Every row attends by itself, so what it gets depends on
        nothing that its neighbours are.
        """

        def attend(layer: int, query: Tensor) -> Tensor:
            groups = query.view(len(spans), self._num_kv_heads, -1, self._head_size)
            keys, values = self._memory.keys[layer], self._memory.values[layer]
            rows = [
                F.scaled_dot_product_attention(
                    group.unsqueeze(0),
                    keys[:, span.start : span.end].unsqueeze(0),
                    values[:, span.start : span.end].unsqueeze(0),
                )
                for group, span in zip(groups, spans, strict=True)
            ]
            return torch.cat(rows)

        hidden = self._forward(token_ids, slots, attend)
        return cast("Tensor", self._lm_head(self._norm(self._text.norm, hidden)))

    def _forward(self, token_ids: Tensor, slots: Tensor, attend: Any) -> Tensor:
        hidden: Tensor = self._text.embed_tokens(token_ids)
        cos, sin = (table[slots].unsqueeze(1) for table in (self._memory.cos, self._memory.sin))
        for index, layer in enumerate(self._text.layers):
            query = self._write_keys(index, self._norm(layer.input_layernorm, hidden), slots, cos, sin)
            attended = layer.self_attn.o_proj(attend(index, query).reshape(len(token_ids), -1))
            hidden = hidden + self._norm(layer.post_self_attn_layernorm, attended)
            fed = layer.mlp(self._norm(layer.post_attention_layernorm, hidden))
            hidden = hidden + self._norm(layer.post_mlp_layernorm, fed)
        return hidden

    def _write_keys(self, layer: int, hidden: Tensor, slots: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Writes the rows' rotated keys and their values to memory; returns the rotated queries."""
        heads = F.linear(hidden, *self._qkv[layer]).view(len(hidden), -1, self._head_size)
        rotated, values = torch.split(heads, [self._num_heads + self._num_kv_heads, self._num_kv_heads], dim=1)
        rotated = _rotate(rotated, cos, sin)
        query, keys = torch.split(rotated, [self._num_heads, self._num_kv_heads], dim=1)
        self._memory.keys[layer].index_copy_(1, slots, keys.transpose(0, 1))
        self._memory.values[layer].index_copy_(1, slots, values.transpose(0, 1))
        return query

    def _norm(self, module: Any, hidden: Tensor) -> Tensor:
        if hidden.device.type != "cpu":
            return F.rms_norm(hidden, hidden.shape[-1:], module.weight, self._eps)
        # torch composes it of slower pieces on a CPU; there are 33 of these in a step of 8 layers.
        norm = torch.linalg.vector_norm(hidden, dim=-1, keepdim=True, dtype=torch.float32)
        scale = torch.rsqrt(norm.square() / hidden.shape[-1] + self._eps)
        return hidden * scale.to(hidden.dtype) * module.weight


def _rotate(heads: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary embedding of the first part of each head (`apply_rotary_pos_emb`): (rows, heads, head size)."""
    size = cos.shape[-1]
    rotated, passed = heads[..., :size], heads[..., size:]
    left, right = rotated.chunk(2, dim=-1)
    return torch.cat((rotated * cos + torch.cat((-right, left), dim=-1) * sin, passed), dim=-1)


def _fused(attention: Any) -> tuple[Tensor, Tensor | None]:
    """Weight and bias of q, k and v as one matrix, which is read faster than three. Their modules become views."""
    modules = (attention.q_proj, attention.k_proj, attention.v_proj)
    weight = torch.cat([module.weight.data for module in modules])
    for module, view in zip(modules, torch.split(weight, [module.out_features for module in modules]), strict=True):
        module.weight.data = view
    bias = torch.cat([module.bias.data for module in modules]) if attention.q_proj.bias is not None else None
    return weight, bias
