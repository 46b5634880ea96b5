"""Computes the transformer layers of the AR model and of the DiT faster while they are trained on a CPU.

The functions compute the same as the layers of transformers and diffusers, with matrix products in `MATRIX_DTYPE`.
After `compile_layers`, torch's compiler has merged the small operations between these products, and a training step
takes two thirds of the time. Measured on one core with 16 pictures of 256x256, forward and backward, in bfloat16:
0.08 s per DiT block instead of 0.11 s. Attention is two matrix products here, because heads are narrow: with torch's
fused attention, a block would take 0.2 s.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F  # noqa: N812 - everybody's name for it
from diffusers.models.transformers.transformer_glm_image import GlmImageLayerKVCache, GlmImageTransformerBlock
from torch import Tensor, nn
from transformers.models.glm_image.modeling_glm_image import GlmImageTextDecoderLayer

from workers.checkpoint.demo.models.precision import MATRIX_DTYPE

Pair = tuple[Tensor, Tensor]

_GLYPHS = 10  # glyphs are padded to this number, because each other length would be compiled on its own
_EPSILON = 1e-5  # of the DiT's normalisations
_MOST_SHAPES = 64  # batches of this many shapes are compiled; torch would stop at 8


@contextmanager
def training_layers(is_real: Tensor | None = None) -> Iterator[None]:
    """In the body of the `with` statement, the layers of both models are computed by the functions of this module.

    `is_real`, with shape (pictures, glyphs), is False for glyphs that are padding. No token of the DiT attends to them.
    """
    with (
        mock.patch.object(GlmImageTransformerBlock, "forward", _block_method(is_real)),
        mock.patch.object(GlmImageTextDecoderLayer, "forward", _layer_method),
    ):
        yield


def _block_method(is_real: Tensor | None) -> Callable[..., Pair]:
    """Returns the method of a DiT block that replaces its `forward`."""

    def forward(
        self: nn.Module,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        temb: Tensor,
        image_rotary_emb: Pair,
        *_: object,
        kv_cache: GlmImageLayerKVCache | None = None,
    ) -> Pair:
        image, glyphs = hidden_states.float(), encoder_hidden_states.float()
        with torch.autocast("cpu", enabled=False):
            if kv_cache is None:
                return _padded(self, image, glyphs, temb.float(), image_rotary_emb, is_real=is_real)
            assert is_real is None or bool(is_real.all()), "pictures with condition images have glyphs of one length"
            return dit_block(self, image, glyphs, temb.float(), image_rotary_emb, kv_cache=kv_cache)

    return forward


def _padded(
    block: nn.Module, image: Tensor, glyphs: Tensor, condition: Tensor, rotation: Pair, *, is_real: Tensor | None
) -> Pair:
    """Runs a DiT block with glyphs that are padded on the left to a fixed number."""
    num_pads = max(0, _GLYPHS - glyphs.shape[1])
    if is_real is None:
        is_real = torch.ones(glyphs.shape[:2], dtype=torch.bool)
    is_seen = F.pad(F.pad(is_real, (num_pads, 0)), (0, image.shape[1]), value=True)
    bias = torch.zeros(is_seen.shape, dtype=MATRIX_DTYPE).masked_fill_(~is_seen, float("-inf"))
    padded = F.pad(glyphs, (0, 0, num_pads, 0))
    image, glyphs = _in_use.block(block, image, padded, condition, rotation, bias=bias[:, None, None])
    return image, glyphs[:, num_pads:]


def dit_block(
    block: Any,
    image: Tensor,
    glyphs: Tensor,
    condition: Tensor,
    rotation: Pair,
    *,
    bias: Tensor | None = None,
    kv_cache: GlmImageLayerKVCache | None = None,
) -> Pair:
    """Computes a block of diffusers' `GlmImageTransformer2DModel` and returns the new states of image and glyphs.

    `image` has shape (pictures, tokens, width), `glyphs` (pictures, glyphs, width), `condition` (pictures, condition
    width). `bias` is added to the attention scores, with shape (pictures, 1, 1, glyphs + tokens). `kv_cache` holds keys
    and values of condition images, or gets them.
    """
    (image_in, gate, shift, scale, gate_2, glyphs_in, c_gate, c_shift, c_scale, c_gate_2) = block.norm1(
        image, glyphs, condition
    )
    num = glyphs.shape[1]
    both = torch.cat((glyphs_in, image_in), 1)
    mixed = _attention(block.attn1, both, num, rotation, bias=bias, kv_cache=kv_cache)
    image = image + mixed[:, num:] * gate[:, None]
    glyphs = glyphs + mixed[:, :num] * c_gate[:, None]
    image_in = block.norm2(image) * (1 + scale[:, None]) + shift[:, None]
    glyphs_in = block.norm2_context(glyphs) * (1 + c_scale[:, None]) + c_shift[:, None]
    first, second = block.ff.net[0].proj, block.ff.net[2]
    fed = F.gelu(_linear(torch.cat((glyphs_in, image_in), 1), first.weight, first.bias), approximate="tanh")
    fed = _linear(fed, second.weight, second.bias)
    return image + fed[:, num:] * gate_2[:, None], glyphs + fed[:, :num] * c_gate_2[:, None]


def _attention(
    layer: Any,
    states: Tensor,
    num_glyphs: int,
    rotation: Pair,
    *,
    bias: Tensor | None,
    kv_cache: GlmImageLayerKVCache | None,
) -> Tensor:
    num, length, width = states.shape
    weight = torch.cat((layer.to_q.weight, layer.to_k.weight, layer.to_v.weight))
    own = _linear(states, weight, torch.cat((layer.to_q.bias, layer.to_k.bias, layer.to_v.bias)))
    query, key, value = own.view(num, length, 3, layer.heads, width // layer.heads).unbind(2)
    both = F.layer_norm(torch.stack((query, key)).float(), query.shape[-1:], eps=_EPSILON)
    turned = _turned(both[:, :, num_glyphs:], *(part[:, None] for part in rotation))
    query, key = torch.cat((both[:, :, :num_glyphs], turned), 2).to(MATRIX_DTYPE).unbind(0)
    if kv_cache is not None and kv_cache.mode == "write":
        kv_cache.store(key, value)
    elif kv_cache is not None and kv_cache.mode == "read":
        key, value = kv_cache.get(key, value)
    query, key, value = (part.transpose(1, 2) for part in (query * query.shape[-1] ** -0.5, key, value))
    scores = query @ key.transpose(-1, -2)
    shares = torch.softmax((scores if bias is None else scores + bias).float(), -1).to(MATRIX_DTYPE)
    mixed = (shares @ value).transpose(1, 2).reshape(num, length, width)
    return _linear(mixed, layer.to_out[0].weight, layer.to_out[0].bias)


def _layer_method(self: nn.Module, hidden_states: Tensor, position_embeddings: Pair, **_: object) -> Tensor:
    """Replaces the `forward` of a layer of the AR model."""
    with torch.autocast("cpu", enabled=False):
        cosines, sines = (part.float() for part in position_embeddings)
        length = hidden_states.shape[1]
        later = torch.full((length, length), float("-inf")).triu(1)
        return _in_use.layer(self, hidden_states.float(), cosines, sines, later)


def text_layer(layer: Any, states: Tensor, cosines: Tensor, sines: Tensor, later: Tensor) -> Tensor:
    """Computes a layer of transformers' `GlmImageTextModel` and returns the new states.

    `states` has shape (sequences, tokens, width); `cosines` and `sines` have shape (sequences, tokens, rotated width of
    a head). `later`, with shape (tokens, tokens), is minus infinity for keys after the query.
    """
    mixed = _causal_attention(layer.self_attn, _normal(layer.input_layernorm, states), cosines, sines, later)
    states = states + _normal(layer.post_self_attn_layernorm, mixed)
    fed = _linear(_normal(layer.post_attention_layernorm, states), layer.mlp.gate_up_proj.weight)
    gate, up = fed.chunk(2, -1)
    fed = _linear(up * F.silu(gate), layer.mlp.down_proj.weight)
    return states + _normal(layer.post_mlp_layernorm, fed)


def _causal_attention(layer: Any, states: Tensor, cosines: Tensor, sines: Tensor, later: Tensor) -> Tensor:
    """Computes the attention of the AR model, in which several heads of queries share one head of keys and values."""
    num, length, _ = states.shape
    parts = (layer.q_proj, layer.k_proj, layer.v_proj)
    bias = torch.cat([part.bias for part in parts]) if layer.q_proj.bias is not None else None
    own = _linear(states, torch.cat([part.weight for part in parts]), bias)
    widths = [part.weight.shape[0] for part in parts]
    query, key, value = (
        part.reshape(num, length, width // layer.head_dim, layer.head_dim).transpose(1, 2)
        for part, width in zip(torch.split(own, widths, -1), widths, strict=True)
    )
    num_shared, num_heads = key.shape[1], query.shape[1]
    turns = cosines[:, None], sines[:, None]
    query = (_turned(query.float(), *turns) * layer.scaling).to(MATRIX_DTYPE)
    key = _turned(key.float(), *turns).to(MATRIX_DTYPE)
    rows = query.reshape(num, num_shared, num_heads // num_shared * length, layer.head_dim)
    scores = (rows @ key.transpose(-1, -2)).view(num, num_shared, num_heads // num_shared, length, length)
    shares = torch.softmax(scores.float() + later, -1).to(MATRIX_DTYPE).view(*rows.shape[:3], length)
    mixed = (shares @ value).view(num, num_heads, length, layer.head_dim).transpose(1, 2)
    return _linear(mixed.reshape(num, length, widths[0]), layer.o_proj.weight)


def _turned(states: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Applies rotary position embeddings to the first numbers of each head: as many as there are cosines."""
    turned, rest = states[..., : cosines.shape[-1]], states[..., cosines.shape[-1] :]
    first, second = turned.chunk(2, -1)
    return torch.cat((turned * cosines + torch.cat((-second, first), -1) * sines, rest), -1)


def _normal(norm: Any, states: Tensor) -> Tensor:
    """Computes the root mean square normalisation of the AR model."""
    states = states.float()
    return states * torch.rsqrt(states.square().mean(-1, keepdim=True) + norm.variance_epsilon) * norm.weight


def _linear(states: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    low = MATRIX_DTYPE
    return F.linear(states.to(low), weight.to(low), None if bias is None else bias.to(low))


@dataclass(slots=True)
class _InUse:
    """The functions that compute the layers: those above, or what the compiler made of them."""

    block: Callable[..., Pair] = dit_block
    layer: Callable[..., Tensor] = text_layer


_in_use = _InUse()


def compile_layers() -> None:
    """Compiles the layers' functions for the rest of the process. Needs a C++ compiler.

    Each new shape of a DiT batch then takes half a minute once; the AR model's function is compiled for all shapes.
    """
    torch._dynamo.config.recompile_limit = _MOST_SHAPES
    _in_use.block = torch.compile(dit_block, dynamic=False)
    _in_use.layer = torch.compile(text_layer, dynamic=True)
