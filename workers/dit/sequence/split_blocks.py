"""Divides the tokens of large pictures among several devices; this module is the DiT worker's side.

The worker has the first device. It sends the inputs of each forward pass to the helper processes of the other devices,
and computes its own share.
"""

import tempfile
import weakref
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch
import torch.distributed as dist
from diffusers.models.transformers.transformer_glm_image import GlmImageKVCache
from torch import Tensor

from shared.errors import Misconfigured
from workers.device.loss import HelperGone
from workers.dit.model.blocks import BlockInputs, Blocks
from workers.dit.model.loading import DitModel
from workers.dit.model.options import DitOptions
from workers.dit.sequence.attention import split_attention
from workers.dit.sequence.group import join_group, open_store, ready_key
from workers.dit.sequence.messages import HelperPlan, Pass, to_line
from workers.dit.sequence.process import HelperNotReady, HelperProcess
from workers.dit.sequence.share import key_cache, keys_of_heads, run_share

_HELPER = ("-m", "workers.dit.sequence")
_TOKEN_PX = 16 * 16  # the pixels of a token of the transformer
_WORKER = 0  # the rank of the worker
_READY_S = 900.0  # helpers load at the same time; from a slow network disk, 15 GB take some minutes


class Helpers:
    """The helper processes of a DiT worker, one for each device but the first. All are connected in one group."""

    def __init__(
        self,
        checkpoint: str,
        model: DitModel,
        devices: Sequence[torch.device],
        options: DitOptions,
        on_death: Callable[[int], None],
    ) -> None:
        """Starts one helper process for each of `devices`, and returns once all have loaded the model.

        `on_death` is called with the exit status of a helper that ends before `close`. Raises `Misconfigured` if a
        helper can't load the model, or if the number of devices does not divide the number of attention heads. Raises
        `HelperNotReady` if one has not loaded the model after 15 minutes, or if they can't connect. Then no helper
        process is left.
        """
        self.num_ranks = 1 + len(devices)
        _refuse_odd_heads(model, self.num_ranks)
        self._folder = tempfile.TemporaryDirectory(prefix="gridpress-")
        folder = Path(self._folder.name)
        self._processes = [HelperProcess(on_death, str(device), _HELPER) for device in devices]
        plan = HelperPlan(
            model=checkpoint,
            device=str(model.device),
            dtype=str(model.dtype).removeprefix("torch."),
            threads=max(1, torch.get_num_threads() // self.num_ranks),
            rendezvous=str(folder),
            rank=_WORKER,
            num_ranks=self.num_ranks,
            options=asdict(options),
        )
        try:
            self._start(plan, folder, model.device)
        except BaseException:
            for process in self._processes:
                process.kill()  # a helper that hangs would not end by itself
            self._folder.cleanup()
            raise

    def _start(self, plan: HelperPlan, folder: Path, device: torch.device) -> None:
        """Sends the plan to the helper processes, and returns once all have loaded the model and are connected."""
        for rank, process in enumerate(self._processes, start=1):
            process.send_line(to_line(replace(plan, rank=rank, device=process.device)))
        store = open_store(folder, self.num_ranks)
        for rank, process in enumerate(self._processes, start=1):
            process.wait_until(lambda rank=rank: store.check([ready_key(rank)]), _READY_S)  # type: ignore[misc]
        try:
            join_group(store, _WORKER, self.num_ranks, device)
        except RuntimeError as error:  # after a time-out of torch
            reason = str(error).strip().partition("\n")[0]
            raise HelperNotReady(f"the processes of {self.num_ranks} devices can't connect: {reason}") from error

    @property
    def pids(self) -> Sequence[int]:
        return [process.pid for process in self._processes]

    def announce(self, order: Pass) -> None:
        """Tells all helpers which forward pass comes next. Raises `OSError` if one is dead."""
        line = to_line(order)
        for process in self._processes:
            process.send_line(line)

    def close(self) -> None:
        """Ends all helper processes."""
        for process in self._processes:
            process.close_input()  # first, because a helper may die when another one has ended
        for process in self._processes:
            process.close()
        dist.destroy_process_group()
        self._folder.cleanup()


class SplitBlocks:
    """Runs the blocks of the transformer on all devices for large pictures, and on the worker's device for others.

    The keys and values of condition images are sent once. A helper drops its part when the worker has dropped its own.
    """

    def __init__(self, model: DitModel, helpers: Helpers, least_px: int) -> None:
        """Creates the blocks. Pictures of at least `least_px` pixels are divided."""
        for blocks in (model.transformer.transformer_blocks, model.fp8_blocks or ()):
            split_attention(blocks)
        self._blocks = Blocks(model.transformer, model.device, model.fp8_blocks)
        self._helpers = helpers
        self._least_px = least_px
        self._sent: weakref.WeakKeyDictionary[GlmImageKVCache, int] = weakref.WeakKeyDictionary()
        self._num_sent = 0
        self._unused: list[int] = []

    def __call__(self, inputs: BlockInputs) -> Tensor:
        """Returns the patches of all image tokens. Raises `HelperGone` after any error of a divided pass, because the
        devices then no longer agree on what comes next.
        """
        if inputs.hidden.shape[1] * _TOKEN_PX < self._least_px:
            return self._blocks(inputs)
        try:
            return self._divided(inputs)
        except Exception as error:
            reason = str(error).strip().partition("\n")[0]
            raise HelperGone(f"a forward pass on {self._helpers.num_ranks} devices failed: {reason}") from error

    def _divided(self, inputs: BlockInputs) -> Tensor:
        keys = inputs.conditions
        is_new = keys is not None and keys not in self._sent
        self._helpers.announce(self._order(inputs, is_new=is_new))
        if keys is not None:
            if is_new:
                self._scatter(keys)
            inputs = replace(inputs, conditions=key_cache(keys_of_heads(keys, _WORKER, self._helpers.num_ranks)))
        for tensor in (inputs.hidden, inputs.glyphs, inputs.time):
            dist.broadcast(tensor.contiguous(), src=_WORKER)
        return run_share(self._blocks, inputs, _WORKER, self._helpers.num_ranks)

    def _order(self, inputs: BlockInputs, *, is_new: bool) -> Pass:
        forget, self._unused[:] = tuple(self._unused), []
        order = Pass(
            rows=inputs.hidden.shape[0],
            num_image=inputs.hidden.shape[1],
            num_glyphs=inputs.glyphs.shape[1],
            size=inputs.size,
            in_fp8=inputs.in_fp8,
            forget=forget,
        )
        if inputs.conditions is None:
            return order
        if is_new:
            self._register(inputs.conditions)
        new_keys = inputs.conditions[0].k_caches[0].shape[1] if is_new else 0
        return replace(order, conditions=self._sent[inputs.conditions], new_keys=new_keys)

    def _register(self, keys: GlmImageKVCache) -> None:
        self._num_sent += 1
        self._sent[keys] = self._num_sent
        weakref.finalize(keys, self._unused.append, self._num_sent)

    def _scatter(self, keys: GlmImageKVCache) -> None:
        """Sends each helper the keys and values of condition images for its heads."""
        ranks = range(self._helpers.num_ranks)
        for layers in zip(*(keys_of_heads(keys, rank, len(ranks)) for rank in ranks), strict=True):
            parts = [torch.stack(pair) for pair in layers]
            dist.scatter(parts[_WORKER], parts, src=_WORKER)


def _refuse_odd_heads(model: DitModel, num_devices: int) -> None:
    heads = model.transformer.config.num_attention_heads
    if heads % num_devices:
        wrong = f"{num_devices} devices, which do not divide the {heads} attention heads of the model"
        raise Misconfigured(f"GRIDPRESS_DIT_SEQUENCE_DEVICES names {wrong}")
