"""The process of a further device of a DiT worker. It computes its share of each forward pass until the worker ends.

The worker starts it with `python -m workers.dit.sequence` and sends it messages through standard input.
"""

import os
import sys
from dataclasses import replace
from pathlib import Path

import structlog
import torch
import torch.distributed as dist
from torch import Tensor

from shared.process.logs import configure_logs
from shared.settings.settings import Settings
from workers.dit.model.blocks import BlockInputs, Blocks
from workers.dit.model.loading import DitModel, load_dit_model
from workers.dit.model.options import apply_options
from workers.dit.sequence.attention import split_attention
from workers.dit.sequence.group import join_group, open_store, ready_key
from workers.dit.sequence.messages import HelperPlan, Pass
from workers.dit.sequence.orders import orders
from workers.dit.sequence.share import KeysAndValues, key_cache, run_share
from workers.dit.sequence.split import own_heads

log = structlog.get_logger()


def main() -> None:
    """Loads the model, reports to the worker that it is ready, and computes a share of each forward pass that the
    worker announces. After an error the process ends, because the devices no longer agree on what comes next.
    """
    configure_logs("dit-sequence", Settings().log_format)
    lines = orders(sys.stdin.buffer)
    plan = HelperPlan.from_line(next(lines))
    try:
        share = Share(plan)
        for line in lines:
            share.compute(Pass.from_line(line))
    except Exception as error:  # noqa: BLE001 - whatever it is, this process can't go on
        reason = str(error).strip().partition("\n")[0]
        log.error("dit.helper_failed", device=plan.device, error=f"{type(error).__name__}: {reason}")  # noqa: TRY400
        sys.stdout.flush()
        os._exit(1)  # a normal exit could wait for the other devices


class Share:
    """The state of a helper process: the blocks, and the keys and values of condition images for its heads."""

    def __init__(self, plan: HelperPlan) -> None:
        torch.set_num_threads(plan.threads)
        self._device = torch.device(plan.device)
        self._plan = plan
        self._model = _load(plan)
        self._blocks = Blocks(self._model.transformer, self._device, self._model.fp8_blocks)
        self._keys: dict[int, list[KeysAndValues]] = {}
        store = open_store(Path(plan.rendezvous), plan.num_ranks)
        store.set(ready_key(plan.rank), "1")
        join_group(store, plan.rank, plan.num_ranks, self._device)

    @torch.no_grad()
    def compute(self, order: Pass) -> None:
        """Receives the inputs of a forward pass, and computes this device's share of it."""
        for unused in order.forget:
            self._keys.pop(unused, None)
        if order.conditions is not None and order.new_keys:
            self._keys[order.conditions] = self._receive_keys(order.new_keys)
        config = self._model.transformer.config
        width = config.num_attention_heads * config.attention_head_dim
        inputs = BlockInputs(
            hidden=self._receive(order.rows, order.num_image, width),
            glyphs=self._receive(order.rows, order.num_glyphs, width),
            time=self._receive(order.rows, config.time_embed_dim),
            size=order.size,
            conditions=None if order.conditions is None else key_cache(self._keys[order.conditions]),
            in_fp8=order.in_fp8,
        )
        run_share(self._blocks, inputs, self._plan.rank, self._plan.num_ranks)

    def _receive(self, *shape: int) -> Tensor:
        tensor = self._empty(*shape)
        dist.broadcast(tensor, src=0)
        return tensor

    def _receive_keys(self, num_tokens: int) -> list[KeysAndValues]:
        config = self._model.transformer.config
        heads = own_heads(self._plan.rank, self._plan.num_ranks, config.num_attention_heads)
        pairs = []
        for _ in range(config.num_layers):
            pair = self._empty(2, 1, num_tokens, heads.stop - heads.start, config.attention_head_dim)
            dist.scatter(pair, src=0)
            pairs.append((pair[0], pair[1]))
        return pairs

    def _empty(self, *shape: int) -> Tensor:
        return torch.empty(shape, dtype=self._model.dtype, device=self._device)


def _load(plan: HelperPlan) -> DitModel:
    device, options = torch.device(plan.device), plan.dit_options
    model = load_dit_model(
        plan.model,
        device,
        plan.torch_dtype,
        low_memory=True,  # the glyph encoder and the VAE stay in host memory, unused
        has_transformer_on_host=options.fp8 == "all",
    )
    fp8_blocks = apply_options(model.transformer, options, device)
    for blocks in (model.transformer.transformer_blocks, fp8_blocks or ()):
        split_attention(blocks)
    return replace(model, fp8_blocks=fp8_blocks)
