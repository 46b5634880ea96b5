"""Loads the AR half of a GLM-Image checkpoint: the vision-language encoder and its Hugging Face processor, which
converts prompts into token ids. It computes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import GlmImageForConditionalGeneration, GlmImageProcessor

from shared.errors import MissingCheckpoint
from workers.ar.control_tokens import ControlTokens
from workers.device.fp8_linear import convert_linears
from workers.device.packed_linear import make_linear, pack_linears
from workers.model.download import HOW_TO_GET_ONE
from workers.model.source import check_parts
from workers.model.weights import OnBytes, ignore_bytes, load_with_transformers

AR_PARTS = ("vision_language_encoder", "processor")
_GENERATE_TOP_K = 50  # the default of transformers' `generate` if the generation config has no top-k


@dataclass(frozen=True, slots=True)
class Sampling:
    """The settings for sampling a token. Logits are divided by `temperature`. Then all tokens except the `top_k`
    likeliest are excluded. Of these, only the likeliest tokens that together reach the probability `top_p` remain.

    Only the ids 0 to `num_codes` - 1 are codes of the checkpoint's codebook. Other ids are never sampled.
    """

    temperature: float
    top_k: int
    top_p: float
    num_codes: int


@dataclass(frozen=True, slots=True)
class ArModel:
    """The AR half of a checkpoint. `sampling` has the checkpoint's own sampling settings, which transformers'
    `generate` would use.

    `control_tokens` are the strings that the tokenizer would read as special tokens instead of plain text. `in_fp8` is
    true if the weights of the text model's layers are in FP8.
    """

    network: GlmImageForConditionalGeneration
    processor: GlmImageProcessor
    sampling: Sampling
    control_tokens: ControlTokens
    in_fp8: bool = False

    @property
    def device(self) -> torch.device:
        device: torch.device = self.network.device
        return device

    def facts(self) -> Mapping[str, str]:
        """Returns what manifests say of the weights, because tokens depend on it."""
        return {"weights": "fp8"} if self.in_fp8 else {}


def load_ar_model(
    folder: str,
    device: torch.device,
    dtype: torch.dtype,
    on_bytes: OnBytes = ignore_bytes,
    *,
    in_fp8: bool = False,
) -> ArModel:
    """Loads the AR model from a folder with the layout of diffusers' `GlmImagePipeline`. `on_bytes` is called with the
    bytes of each tensor that has arrived on the device.

    With `in_fp8`, converts the weights of the text model's layers to FP8. They are read into host memory first, because
    a device with room for the converted weights may have none for those of the checkpoint.

    Raises `MissingCheckpoint` if there is no checkpoint, or if a part of it is missing, unreadable or incomplete.
    """
    check_parts(folder, AR_PARTS)
    weights, processor_part = (Path(folder) / part for part in AR_PARTS)
    first = torch.device("cpu") if in_fp8 else device
    network = load_with_transformers(GlmImageForConditionalGeneration, weights, first, dtype, on_bytes)
    try:
        processor = GlmImageProcessor.from_pretrained(processor_part)
    except (OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise MissingCheckpoint(f"cannot load the processor of {folder} ({reason}): {HOW_TO_GET_ONE}") from error
    control_tokens = ControlTokens(processor.tokenizer.get_added_vocab())
    prepare(network, device, in_fp8=in_fp8)
    return ArModel(network, processor, _sampling(network), control_tokens, in_fp8)


def prepare(
    network: GlmImageForConditionalGeneration, device: torch.device | None = None, *, in_fp8: bool = False
) -> GlmImageForConditionalGeneration:
    """Moves the network to the device, if there is one, and arranges its weights for `Decoder`. It fuses the q, k and v
    matrices of every layer into one, `qkv_proj`, and packs linear layers for oneDNN where possible.

    With `in_fp8` it converts the weights of the text model's layers to FP8. Layers go to the device one by one, so the
    device never holds all of them in the checkpoint's type. The network is changed in place, and transformers'
    `generate` no longer works with it.
    """
    for layer in network.model.language_model.layers:
        layer.to(device)
        _fuse(layer.self_attn, may_pack=not in_fp8)
        if in_fp8:
            convert_linears(layer)
    network.to(device)
    pack_linears(network)
    return network


def _fuse(attention: Any, *, may_pack: bool) -> None:
    modules = (attention.q_proj, attention.k_proj, attention.v_proj)
    bias = torch.cat([module.bias for module in modules]) if attention.q_proj.bias is not None else None
    attention.qkv_proj = make_linear(torch.cat([module.weight for module in modules]), bias, may_pack=may_pack)
    del attention.q_proj, attention.k_proj, attention.v_proj


def _sampling(network: GlmImageForConditionalGeneration) -> Sampling:
    config = network.generation_config
    top_k = _GENERATE_TOP_K if config.top_k is None else config.top_k
    return Sampling(
        temperature=config.temperature or 1.0,
        top_k=top_k or network.config.text_config.vision_vocab_size,  # 0 turns top-k off
        top_p=config.top_p or 1.0,
        num_codes=network.config.vq_config.num_embeddings,
    )
