"""Runs the language model over the KV memory: many sequences of different lengths in one pass.

The arithmetic is that of transformers' `GlmImageTextModel`. Its modules hold the weights, after `prepare` in
`loading.py` has fused some of them. Only the KV cache and the batching are our own. The decoder stores nothing between
passes except keys and values.
"""

from typing import Any, cast

import torch
import torch.nn.functional as F  # noqa: N812 - the usual name
from torch import Tensor

from workers.ar.model.attention import Attend, Attention
from workers.ar.model.kv_memory import KvMemory


class Decoder:
    """Runs the language model. `prefill` computes the keys and values of a part of a prompt, `decode` adds one token to
    each of many sequences.
    """

    def __init__(self, network: Any, memory: KvMemory, attention: Attention) -> None:
        config = network.config.text_config
        self._text = network.model.language_model
        self._lm_head = network.lm_head
        self._memory = memory
        self._attention = attention
        self._num_heads: int = config.num_attention_heads
        self._num_kv_heads: int = config.num_key_value_heads
        self._head_size = config.hidden_size // config.num_attention_heads
        self._eps: float = config.rms_norm_eps

    def prefill(self, token_ids: Tensor, start: int, first: int) -> None:
        """Computes a part of one prompt and writes its keys and values to the KV memory.

        `token_ids` (tokens,) are the tokens of that part. `first` is the position in the KV memory where the keys and
        values of this part begin, and `start` is the position where the whole prompt begins. Each token attends to all
        tokens of the prompt up to itself.
        """
        end = first + len(token_ids)
        seen = torch.arange(start, end, device=token_ids.device)
        mask = seen <= torch.arange(first, end, device=token_ids.device).unsqueeze(1)
        span = self._memory.view(start, end)

        def attend(layer: int, query: Tensor) -> Tensor:
            """Computes the attention of one layer, with a causal mask. Queries and result are (tokens, heads, head
            size).
            """
            heads = query.transpose(0, 1).unsqueeze(0)
            out = F.scaled_dot_product_attention(
                heads, span.keys[layer], span.values[layer], attn_mask=mask, enable_gqa=True
            )
            return out.squeeze(0).transpose(0, 1)

        self._forward(token_ids, torch.arange(first, end, device=token_ids.device), attend)

    def decode(self, token_ids: Tensor, starts: Tensor, lengths: Tensor) -> Tensor:
        """Adds one token to the sequence of each row, and returns the logits that follow: (rows, vision vocabulary).

        All arguments are (rows,) int64. `token_ids` are the tokens to add. Row k attends to `lengths[k]` tokens of the
        KV memory from `starts[k]` on. The last of these is the added token, whose keys and values this call writes.
        """
        hidden = self._forward(token_ids, starts + lengths - 1, self._attention.over(starts, lengths))
        return cast("Tensor", self._lm_head(self._norm(self._text.norm, hidden)))

    def _forward(self, token_ids: Tensor, slots: Tensor, attend: Attend) -> Tensor:
        hidden: Tensor = self._text.embed_tokens(token_ids)
        cos, sin = (table[slots].unsqueeze(1) for table in (self._memory.cos, self._memory.sin))
        for index, layer in enumerate(self._text.layers):
            heads = self._heads(layer.self_attn, self._norm(layer.input_layernorm, hidden), cos, sin)
            query, entries = torch.split(heads, [self._num_heads, 2 * self._num_kv_heads], dim=1)
            self._memory.write(index, slots, entries)
            attended = layer.self_attn.o_proj(attend(index, query).reshape(len(token_ids), -1))
            hidden = hidden + self._norm(layer.post_self_attn_layernorm, attended)
            fed = layer.mlp(self._norm(layer.post_attention_layernorm, hidden))
            hidden = hidden + self._norm(layer.post_mlp_layernorm, fed)
        return hidden

    def _heads(self, attention: Any, hidden: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Returns the queries, keys and values of a layer in one tensor: (rows, heads + 2 x KV heads, head size).

        The rotary embedding is already applied to queries and keys.
        """
        heads: Tensor = attention.qkv_proj(hidden).view(len(hidden), -1, self._head_size)
        _rotate(heads[:, : self._num_heads + self._num_kv_heads, : cos.shape[-1]], cos, sin)
        return heads

    def _norm(self, module: Any, hidden: Tensor) -> Tensor:
        if hidden.device.type != "cpu":
            return F.rms_norm(hidden, hidden.shape[-1:], module.weight, self._eps)
        # On a CPU torch's `rms_norm` is composed of slower operations. A step of 8 layers computes 33 norms.
        norm = torch.linalg.vector_norm(hidden, dim=-1, keepdim=True, dtype=torch.float32)
        scale = torch.rsqrt(norm.square() / hidden.shape[-1] + self._eps)
        return hidden * scale.to(hidden.dtype) * module.weight


def _rotate(part: Tensor, cos: Tensor, sin: Tensor) -> None:
    """Applies the rotary embedding to `part` in place. `part` (rows, heads, size) has only those dimensions of each
    head that the model rotates.

    The result is that of transformers' `apply_rotary_pos_emb`, which swaps the halves of `part` and negates one of
    them. This function only swaps the halves, because the first half of `sin` (rows, 1, size) is already negated.
    """
    swapped = part.roll(part.shape[-1] // 2, dims=-1)
    part.mul_(cos).addcmul_(swapped, sin)
