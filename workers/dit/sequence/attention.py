"""Attention over tokens that are divided among devices, after DeepSpeed Ulysses (https://arxiv.org/abs/2309.14509).

Before the attention, the devices exchange tokens for heads: each then has all tokens of its own heads. Afterwards they
exchange back.
"""

from collections.abc import Iterable
from typing import Any

import torch
import torch.distributed as dist
from diffusers.models.attention_dispatch import dispatch_attention_fn
from diffusers.models.embeddings import apply_rotary_emb
from diffusers.models.transformers.transformer_glm_image import GlmImageAttnProcessor, GlmImageLayerKVCache
from torch import Tensor

from workers.dit.sequence.split import Split


class SplitAttnProcessor(GlmImageAttnProcessor):
    """Does what `GlmImageAttnProcessor` of diffusers does. If `split` is given, the tokens are divided among devices.

    Then `kv_cache` has only the heads of this process's device.
    """

    def __call__(  # noqa: PLR0917 - diffusers calls it so
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        image_rotary_emb: tuple[Tensor, Tensor] | None = None,
        kv_cache: GlmImageLayerKVCache | None = None,
        split: Split | None = None,
    ) -> tuple[Tensor, Tensor]:
        if split is None:
            whole: tuple[Tensor, Tensor] = super().__call__(
                attn, hidden_states, encoder_hidden_states, attention_mask, image_rotary_emb, kv_cache
            )
            return whole
        assert attention_mask is None
        assert image_rotary_emb is not None
        num_glyphs = encoder_hidden_states.shape[1]
        queries_keys_values = _projected(attn, torch.cat([encoder_hidden_states, hidden_states], dim=1))
        for rotated in queries_keys_values[:2]:
            rotated[:, num_glyphs:] = apply_rotary_emb(
                rotated[:, num_glyphs:], image_rotary_emb, sequence_dim=1, use_real_unbind_dim=-2
            )
        query, key, value = tokens_to_heads(queries_keys_values, split)
        if kv_cache is not None:
            key, value = kv_cache.get(key, value)
        result = dispatch_attention_fn(query, key, value, backend=self._attention_backend)
        result = attn.to_out[0](heads_to_tokens(result, split).flatten(2, 3))
        return result[:, num_glyphs:], result[:, :num_glyphs]


def split_attention(blocks: Iterable[Any]) -> None:
    """Makes the attention of these blocks take a `split`. Without one, it computes what it computed before."""
    for block in blocks:
        processor = SplitAttnProcessor()
        processor._attention_backend = block.attn1.processor._attention_backend
        block.attn1.processor = processor


@torch.compiler.disable
def tokens_to_heads(tensors: Tensor, split: Split) -> tuple[Tensor, ...]:
    """Exchanges the own tokens of all heads for all tokens of the own heads.

    Takes a stack of k tensors: (k, rows, own tokens, heads, head_dim). Returns k tensors: (rows, tokens, own heads,
    head_dim). In them the tokens of device 0 come first.
    """
    counts, own = split.tokens, split.tokens[split.rank]
    *outer, heads, head_dim = tensors.shape
    by_device = tensors.reshape(*outer, len(counts), heads // len(counts), head_dim).permute(3, 2, 0, 1, 4, 5)
    sent = by_device.flatten(0, 1).contiguous()
    received = sent.new_empty(sum(counts), *sent.shape[1:])
    dist.all_to_all_single(received, sent, counts, [own] * len(counts))
    return received.permute(1, 2, 0, 3, 4).unbind()


@torch.compiler.disable
def heads_to_tokens(tensor: Tensor, split: Split) -> Tensor:
    """Exchanges all tokens of the own heads for the own tokens of all heads.

    Takes (rows, tokens, own heads, head_dim), returns (rows, own tokens, heads, head_dim).
    """
    counts, own = split.tokens, split.tokens[split.rank]
    sent = tensor.transpose(0, 1).contiguous()
    received = sent.new_empty(own * len(counts), *sent.shape[1:])
    dist.all_to_all_single(received, sent, [own] * len(counts), counts)
    return received.view(len(counts), own, *sent.shape[1:]).permute(2, 1, 0, 3, 4).flatten(2, 3)


def collect(patches: Tensor, split: Split) -> Tensor:
    """Returns the patches of all image tokens on device 0, and no patches on the others.

    `patches` (rows, own image tokens, channels) are those of this process's device.
    """
    own, others = split.image[split.rank], len(split.image) - 1
    sent = patches.transpose(0, 1).contiguous()
    counts = list(split.image) if split.rank == 0 else [0] * (1 + others)
    received = sent.new_empty(sum(counts), *sent.shape[1:])
    dist.all_to_all_single(received, sent, counts, [own, *[0] * others])
    return received.transpose(0, 1)


def _projected(attn: Any, states: Tensor) -> Tensor:
    """Returns the normalised queries, the normalised keys, and the values: (3, rows, tokens, heads, head_dim)."""
    query, key, value = (
        project(states).unflatten(2, (attn.heads, -1)) for project in (attn.to_q, attn.to_k, attn.to_v)
    )
    return torch.stack([attn.norm_q(query).to(value.dtype), attn.norm_k(key).to(value.dtype), value])
