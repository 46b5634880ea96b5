"""The AR stage's engine: runs many renders at once by continuous batching and returns their token grids. An error of
one render fails that render alone.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count

import structlog
import torch
from PIL import Image

from shared.errors import RenderFailed
from shared.ids import ObjectKey, RenderId
from shared.jobs.leases import Claim, Progress
from shared.jobs.token_grid import Prior, TokenGrid
from workers.ar.guard import is_degenerate
from workers.ar.kv_allocator import KvAllocator
from workers.ar.model.decode_loop import start_decoding
from workers.ar.model.loading import ArModel
from workers.ar.model.vision import ConditionTokenizer
from workers.ar.preparation import Prompts
from workers.ar.prompt import Prompt
from workers.ar.sampler import NOT_A_NUMBER
from workers.ar.scheduler import Batch, Scheduler
from workers.ar.sequence import ArSequence
from workers.ar.visits import Visits
from workers.device.loss import DeviceFull, is_device_lost
from workers.engine.stepper import Outcome, crashed

log = structlog.get_logger()

_MAX_RETRIES = 1


@dataclass(frozen=True, slots=True)
class _Work:
    """The data of one render in the engine: its sequence, its prompt, and the token grids of the condition images that
    are already encoded.
    """

    sequence: ArSequence
    prompt: Prompt
    condition_grids: list[TokenGrid] = field(default_factory=list)

    @property
    def is_encoded(self) -> bool:
        return len(self.condition_grids) == len(self.prompt.condition_grids)


class ArEngine:
    """The AR stage's engine, a `Stepper[Prior]`. A `Prior` is a render's token grid with the token grids of its
    condition images.

    The engine uses continuous batching: renders join and leave between any two steps of the engine.
    """

    def __init__(
        self,
        model: ArModel,
        load_image: Callable[[ObjectKey], Image.Image],
        *,
        num_kv_tokens: int,
        max_sequences: int,
        may_be_eager: bool = False,
    ) -> None:
        """Creates the engine, and allocates its KV memory. Raises `Misconfigured` if a GPU can't record the decode step
        as a CUDA graph, unless `may_be_eager`.
        """
        self._device = model.device
        self._prompts = Prompts(model, load_image, most_kept=max_sequences)
        self._conditions = ConditionTokenizer(model)
        self._runner, self._decode = start_decoding(model, num_kv_tokens, max_sequences, may_be_eager=may_be_eager)
        self._num_codes = model.sampling.num_codes
        self._scheduler = Scheduler(KvAllocator(num_kv_tokens), max_sequences)
        self._visits = Visits()
        self._numbers = count()
        self._work: dict[RenderId, _Work] = {}
        self._planned: Batch | None = None

    def prepare(self, claim: Claim) -> None:
        """Builds a claimed render's prompt before `admit` is called. It does not use the device, and any thread may
        call it.

        Raises the same errors as `admit`.
        """
        self._prompts.prepare(claim)

    def admit(self, claim: Claim) -> None:
        """Adds a claimed render to the engine, where it waits for KV memory (space for its keys and values). An edit
        first waits until all its condition images are encoded.

        Raises `GridpressError` for a render that can never run on this worker. If the engine still has the render under
        an older lease, that lease was lost. Then the older claim of the render is dropped, because the store accepts
        only writes of the newer claim.
        """
        self.drop(claim.render_id)
        prompt = self._prompts.take(claim)
        work = _Work(ArSequence(claim, prompt.token_ids, next(self._numbers)), prompt)
        self._scheduler.refuse_too_large(work.sequence)
        self._work[claim.render_id] = work
        if work.is_encoded:
            self._scheduler.add(work.sequence)

    def in_step(self) -> Collection[RenderId]:
        """Plans the next step and returns the ids of the renders in that step. `step` executes this plan, except for
        renders that are dropped in between.
        """
        batch = self._planned = self._planned or self._scheduler.next_batch()
        shared = [target for _, target in batch.shared]
        members = {sequence.render_id for sequence in (*batch.to_place, *shared, *batch.prefill, *batch.decode)}
        edit = self._next_to_encode()
        return members | {edit.sequence.render_id} if edit else members

    def step(self) -> Sequence[Outcome[Prior]]:
        """Runs one step and returns the outcomes of the renders that finished or failed in it.

        A step encodes one condition image, prefills some chunks of prompts, and decodes a token for every prefilled
        render. If no image or prompt waits, it decodes some more tokens (see `Visits`).
        """
        batch, self._planned = self._planned or self._scheduler.next_batch(), None
        most_tokens = 1 if self._next_to_encode() else batch.most_tokens
        outcomes = [*self._before_decode(batch), *self._decode_all(batch.decode, self._visits.num_steps(most_tokens))]
        return [outcome for outcome in outcomes if outcome]

    def drop(self, render_id: RenderId) -> None:
        if self._work.pop(render_id, None):
            self._scheduler.remove(render_id)
            self._planned = None

    def progress(self) -> Mapping[RenderId, Progress]:
        return {render_id: work.sequence.progress for render_id, work in self._work.items()}

    @property
    def facts(self) -> Mapping[str, str]:
        """Says how the engine computes decode steps, for manifests."""
        return self._decode.facts

    @property
    def kv_used_ratio(self) -> float:
        """Returns the allocated share of the KV memory, from 0 to 1. Any thread may read it."""
        return self._scheduler.kv_used_ratio

    @property
    def is_waiting(self) -> bool:
        return False

    @property
    def is_idle(self) -> bool:
        return not self._work

    def _next_to_encode(self) -> _Work | None:
        """Returns the edit whose condition image is encoded in the next step, or None if all images are encoded.

        Edits are ordered by class, then by the order of their claims.
        """
        unencoded = (work for work in self._work.values() if not work.is_encoded)
        return min(unencoded, key=lambda work: (work.sequence.rank, work.sequence.number), default=None)

    def _before_decode(self, batch: Batch) -> Iterator[Outcome[Prior] | None]:
        """Does the part of a step that comes before decoding: encodes a condition image, writes rotary tables, copies
        shared prompts and prefills prompts. Yields each render's outcome, or None for a render that stays in the
        engine.

        Each render is handled separately, so an error fails only that render.
        """
        if edit := self._next_to_encode():
            yield self._outcome_of(edit.sequence, partial(self._encode, edit))
        for sequence in batch.to_place:
            positions = self._work[sequence.render_id].prompt.positions
            yield self._outcome_of(sequence, partial(self._runner.place, sequence, positions))
        for source, target in batch.shared:
            yield self._outcome_of(target, partial(self._runner.share_prefill, source, target))
        for sequence in batch.prefill:
            yield self._outcome_of(sequence, partial(self._runner.prefill, sequence))

    def _decode_all(self, planned: Sequence[ArSequence], num_tokens: int) -> Iterator[Outcome[Prior] | None]:
        """Decodes `num_tokens` tokens for each planned sequence that has not been dropped, and yields their outcomes.

        If the model raises an error, all renders of the step fail. If the device has no memory left, this method raises
        `DeviceFull` instead, and the worker restarts. The worker reserved its memory at start-up, so another process
        must have taken some of it. Only a restarted worker can plan its memory again.
        """
        sequences = [sequence for sequence in planned if sequence.render_id in self._work]
        if not sequences:
            return
        try:
            tokens = self._timed_decode(sequences, num_tokens)
        except torch.OutOfMemoryError as error:
            raise DeviceFull("a decode step found its reserved device memory in use by another process") from error
        except Exception as error:
            if is_device_lost(error, self._device):
                raise
            log.exception("engine.decode_failed", num_renders=len(sequences))
            yield from [self._crashed(sequence) for sequence in sequences]
            return
        for sequence, new in zip(sequences, tokens, strict=True):
            yield self._outcome_of(sequence, partial(self._record, sequence, new))

    def _timed_decode(self, sequences: Sequence[ArSequence], num_tokens: int) -> Sequence[Sequence[int]]:
        began_s = time.monotonic()
        tokens = self._decode.run(sequences, num_tokens)
        self._visits.note(num_tokens, time.monotonic() - began_s)
        self._scheduler.count_tokens(num_tokens)
        return tokens

    def _outcome_of(self, sequence: ArSequence, compute: Callable[[], Outcome[Prior] | None]) -> Outcome[Prior] | None:
        """Calls `compute` for one sequence and returns the outcome. If `compute` raises, the outcome is a failure of
        the sequence's render.

        Returns None without calling `compute` if the render has already failed in this step. Raises errors that mean
        that the device is lost.
        """
        if sequence.render_id not in self._work:
            return None
        try:
            return compute()
        except torch.OutOfMemoryError as error:
            return self._failed(sequence, "out_of_memory", str(error).partition("\n")[0])
        except Exception as error:
            if is_device_lost(error, self._device):
                raise
            log.exception("render.crashed", **sequence.claim.log_ids)
            return self._crashed(sequence)

    def _encode(self, edit: _Work) -> None:
        """Encodes the edit's next condition image.

        After the last image the edit's prompt is complete, and the edit waits for KV memory.
        """
        index, prompt = len(edit.condition_grids), edit.prompt
        key = edit.sequence.claim.settings.images[index]
        grid = self._conditions.tokenize(key, prompt.pixel_values[index], prompt.condition_grids[index])
        edit.condition_grids.append(grid)
        if edit.is_encoded:
            edit.sequence.prompt = prompt.token_ids_with(edit.condition_grids)
            self._scheduler.add(edit.sequence)

    def _record(self, sequence: ArSequence, tokens: Sequence[int]) -> Outcome[Prior] | None:
        """Appends sampled tokens to the sequence.

        Returns the render's outcome if the render leaves the stage with these tokens, else None.
        """
        if NOT_A_NUMBER in tokens:
            step = len(sequence.tokens) + tokens.index(NOT_A_NUMBER) + 1
            return self._failed(sequence, "nan_logits", f"the logits of decode step {step} are NaN or infinite")
        sequence.tokens.extend(tokens)
        if not sequence.is_finished:
            return None
        grid = sequence.token_grid()
        if not is_degenerate(grid, self._num_codes):
            return self._finished(sequence, grid)
        log.warning("grid.degenerate", **sequence.claim.log_ids, sampling=sequence.attempt)
        if sequence.attempt == _MAX_RETRIES:
            return self._failed(sequence, "degenerate_tokens", "the token grid collapsed to a few codes, twice")
        sequence.start_over()
        return None

    def _finished(self, sequence: ArSequence, grid: TokenGrid) -> Outcome[Prior]:
        grids = tuple(self._work[sequence.render_id].condition_grids)
        self.drop(sequence.render_id)
        return Outcome(sequence.claim, result=Prior(grid, grids))

    def _failed(self, sequence: ArSequence, code: str, message: str) -> Outcome[Prior]:
        self.drop(sequence.render_id)
        return Outcome(sequence.claim, error=RenderFailed(code, message))

    def _crashed(self, sequence: ArSequence) -> Outcome[Prior]:
        self.drop(sequence.render_id)
        return crashed(sequence.claim)
