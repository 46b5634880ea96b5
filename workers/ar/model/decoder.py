"""Runs the language model over the KV memory: many sequences of different lengths in one pass.

The arithmetic is that of transformers' `GlmImageTextModel`. Its modules hold the weights, after `prepare` in
`loading.py` has fused some of them. The KV cache, the batching and the operations of `LayerOps` are our own. The
decoder stores nothing between passes except keys and values.
"""

from typing import Any, cast

import torch
import torch.nn.functional as F  # noqa: N812 - the usual name
from torch import Tensor

from workers.ar.model.attention import Attend, Attention
from workers.ar.model.kv_memory import KvMemory
from workers.ar.model.layer_ops import LayerOps


class Decoder:
    """Runs the language model. `prefill` computes the keys and values of a part of a prompt, `decode` adds one token to
    each of many sequences.
    """

    def __init__(self, network: Any, memory: KvMemory, attention: Attention, ops: LayerOps) -> None:
        config = network.config.text_config
        assert config.hidden_act == "silu", config.hidden_act
        self._text = network.model.language_model
        self._lm_head = network.lm_head
        self._memory = memory
        self._attention = attention
        self._ops = ops
        self._head_size = config.hidden_size // config.num_attention_heads
        # The norms of the hidden states after each layer: the one at the beginning of the next layer, or the last one.
        self._norms_after = [layer.input_layernorm for layer in self._text.layers[1:]] + [self._text.norm]

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
        return cast("Tensor", self._lm_head(hidden))

    def _forward(self, token_ids: Tensor, slots: Tensor, attend: Attend) -> Tensor:
        """Returns the hidden states after all layers and the last norm. Writes the keys and values of the tokens to the
        positions `slots` of the KV memory.
        """
        ops, rotate_and_write = self._ops, self._ops.at(slots)
        hidden: Tensor = self._text.embed_tokens(token_ids)
        normed = ops.norm(hidden, self._text.layers[0].input_layernorm.weight)
        for index, (layer, norm_after) in enumerate(zip(self._text.layers, self._norms_after, strict=True)):
            heads = ops.product(layer.self_attn.qkv_proj, normed)
            query = rotate_and_write(index, heads.view(len(heads), -1, self._head_size))
            attended = ops.product(layer.self_attn.o_proj, attend(index, query).flatten(1))
            hidden, normed = ops.add_norm(
                hidden, attended, layer.post_self_attn_layernorm.weight, layer.post_attention_layernorm.weight
            )
            fed = ops.product(layer.mlp.down_proj, ops.silu_mul(ops.product(layer.mlp.gate_up_proj, normed)))
            hidden, normed = ops.add_norm(hidden, fed, layer.post_mlp_layernorm.weight, norm_after.weight)
        return normed
