"""Computes one device's share of a forward pass. All processes of the group do so for the same pass."""

from collections.abc import Sequence
from dataclasses import replace

from diffusers.models.transformers.transformer_glm_image import GlmImageKVCache
from torch import Tensor

from workers.dit.model.blocks import BlockInputs, Blocks
from workers.dit.sequence.attention import collect
from workers.dit.sequence.split import Split, own_heads

KeysAndValues = tuple[Tensor, Tensor]


def run_share(blocks: Blocks, inputs: BlockInputs, rank: int, num_ranks: int) -> Tensor:
    """Computes the share of device `rank` in a forward pass. Returns the patches of all image tokens on device 0, and
    no patches on the others.

    `inputs` has all tokens, but of the keys and values of condition images only the heads of this device.
    """
    split = Split.of(rank, num_ranks, inputs.hidden.shape[1], inputs.glyphs.shape[1])
    own = replace(inputs, hidden=inputs.hidden[:, split.own_image], glyphs=inputs.glyphs[:, split.own_glyphs])
    rope = [table[split.own_image] for table in blocks.rope(*inputs.size)]
    return collect(blocks.run(own, rope, split), split)


def keys_of_heads(conditions: GlmImageKVCache, rank: int, num_ranks: int) -> Sequence[KeysAndValues]:
    """Returns the keys and values of condition images for the heads of device `rank`, one pair for each layer:
    (1, tokens, own heads, head_dim). They are views.
    """
    pairs = []
    for layer in conditions.caches:
        (key,), (value,) = layer.k_caches, layer.v_caches  # the images of a render are one sample
        heads = own_heads(rank, num_ranks, key.shape[2])
        pairs.append((key[:, :, heads], value[:, :, heads]))
    return pairs


def key_cache(pairs: Sequence[KeysAndValues]) -> GlmImageKVCache:
    """Returns these keys and values, one pair for each layer, in the form that the blocks read."""
    cache = GlmImageKVCache(num_layers=len(pairs))
    for layer, (key, value) in zip(cache.caches, pairs, strict=True):
        layer.store(key, value)
    cache.set_mode("read")
    return cache
