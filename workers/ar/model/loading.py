"""Loads the AR half of a GLM-Image checkpoint: the vision-language encoder and its processor. Runs nothing."""

from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import GlmImageForConditionalGeneration, GlmImageProcessor

from shared.errors import MissingCheckpoint
from workers.device.packed_linear import make_linear, pack_linears
from workers.model.source import HOW_TO_GET_ONE, check_parts

AR_PARTS = ("vision_language_encoder", "processor")
_GENERATE_TOP_K = 50  # what `generate` takes when the generation config names none


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn: logits / temperature, the `top_k` likeliest, then the likeliest `top_p` of those.

    Only the ids 0 to `num_codes` - 1 are codes of the checkpoint's codebook; no other id is drawn.
    """

    temperature: float
    top_k: int
    top_p: float
    num_codes: int


@dataclass(frozen=True, slots=True)
class ArModel:
    """The AR half. `sampling` is the checkpoint's own, as `generate` would take it.

    `control_tokens` are the texts that the tokenizer would read as something else than text.
    """

    network: GlmImageForConditionalGeneration
    processor: GlmImageProcessor
    sampling: Sampling
    control_tokens: tuple[str, ...]

    @property
    def device(self) -> torch.device:
        device: torch.device = self.network.device
        return device


def load_ar_model(path_or_id: str, device: torch.device, dtype: torch.dtype) -> ArModel:
    """Loads from a folder or a hub id in `GlmImagePipeline`'s layout.

    Raises `MissingCheckpoint` when there is none, or a part of it is missing or unreadable.
    """
    check_parts(path_or_id, AR_PARTS)
    try:
        network = GlmImageForConditionalGeneration.from_pretrained(
            path_or_id, subfolder="vision_language_encoder", dtype=dtype, use_safetensors=True
        )
        processor = GlmImageProcessor.from_pretrained(path_or_id, subfolder="processor")
    except (OSError, ValueError, SafetensorError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise MissingCheckpoint(f"cannot load the AR model of {path_or_id} ({reason}): {HOW_TO_GET_ONE}") from error
    control_tokens = tuple(processor.tokenizer.get_added_vocab())
    return ArModel(prepare(network.eval().to(device)), processor, _sampling(network), control_tokens)


def prepare(network: GlmImageForConditionalGeneration) -> GlmImageForConditionalGeneration:
    """Makes q, k and v of every layer one matrix, `qkv_proj`, and packs what can be: the decoder's arrangement.

    The network is changed, and cannot `generate` any more.
    """
    for layer in network.model.language_model.layers:
        _fuse(layer.self_attn)
    pack_linears(network)
    return network


def _fuse(attention: Any) -> None:
    modules = (attention.q_proj, attention.k_proj, attention.v_proj)
    bias = torch.cat([module.bias for module in modules]) if attention.q_proj.bias is not None else None
    attention.qkv_proj = make_linear(torch.cat([module.weight for module in modules]), bias)
    del attention.q_proj, attention.k_proj, attention.v_proj


def _sampling(network: GlmImageForConditionalGeneration) -> Sampling:
    config = network.generation_config
    top_k = _GENERATE_TOP_K if config.top_k is None else config.top_k
    return Sampling(
        temperature=config.temperature or 1.0,
        top_k=top_k or network.config.text_config.vision_vocab_size,  # 0 turns it off
        top_p=config.top_p or 1.0,
        num_codes=network.config.vq_config.num_embeddings,
    )
