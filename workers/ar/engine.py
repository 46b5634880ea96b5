"""The AR stage's engine: schedule, run, sample, record. Many renders at once; each fails alone."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import structlog
from PIL import Image

from shared.errors import RenderFailed
from shared.ids import ObjectKey, RenderId
from shared.jobs import Claim, Progress
from shared.token_grid import Prior, TokenGrid
from workers.ar.decode_step import make_decode_step
from workers.ar.guard import is_degenerate
from workers.ar.kv_book import KvBook
from workers.ar.model import ArModel
from workers.ar.prompt import Prompt, build_prompt
from workers.ar.runner import ArRunner
from workers.ar.sampler import NOT_A_NUMBER
from workers.ar.scheduler import Batch, Scheduler
from workers.ar.sequence import ArSequence
from workers.ar.vision import ConditionTokenizer
from workers.engine.stepper import Outcome

log = structlog.get_logger()

_MAX_RETRIES = 1


@dataclass(frozen=True, slots=True)
class _Work:
    """A render's sequence and what was computed before its first step."""

    sequence: ArSequence
    prompt: Prompt
    condition_grids: tuple[TokenGrid, ...]


class ArEngine:
    """Implements `Stepper[Prior]` by continuous batching: renders join and leave between any two decode steps."""

    def __init__(
        self,
        model: ArModel,
        load_image: Callable[[ObjectKey], Image.Image],
        *,
        num_kv_tokens: int,
        max_sequences: int,
    ) -> None:
        self._model = model
        self._load_image = load_image
        self._conditions = ConditionTokenizer(model)
        self._runner = ArRunner(model, num_kv_tokens)
        self._scheduler = Scheduler(KvBook(num_kv_tokens), max_sequences)
        self._decode = make_decode_step(model, self._runner, max_sequences)
        self._work: dict[RenderId, _Work] = {}
        self._planned: Batch | None = None

    def admit(self, claim: Claim) -> None:
        """Builds the render's prompt and queues it. Raises `GridpressError` for one that can never run.

        A render that is here already was lost and claimed again: only the newer claim can be written.
        """
        self.drop(claim.render_id)
        work = self._prepare(claim)
        self._scheduler.add(work.sequence)
        self._work[claim.render_id] = work

    def in_step(self) -> Collection[RenderId]:
        """Plans the step: nobody joins or leaves it any more."""
        batch = self._planned = self._planned or self._scheduler.next_batch()
        shared = [target for _, target in batch.shared]
        return {sequence.render_id for sequence in (*batch.admitted, *shared, *batch.prefill, *batch.decode)}

    def step(self) -> Sequence[Outcome[Prior]]:
        """One decode step of every prefilled render, and some chunks of prompts."""
        batch, self._planned = self._planned or self._scheduler.next_batch(), None
        for sequence in batch.admitted:
            self._runner.place(sequence, self._work[sequence.render_id].prompt.positions)
        for source, target in batch.shared:
            self._runner.share_prefill(source, target)
        for sequence in batch.prefill:
            self._runner.prefill(sequence)
        if not batch.decode:
            return ()
        tokens = self._decode.run(batch.decode)
        outcomes = [self._record(*pair) for pair in zip(batch.decode, tokens, strict=True)]
        return [outcome for outcome in outcomes if outcome]

    def drop(self, render_id: RenderId) -> None:
        if self._work.pop(render_id, None):
            self._scheduler.remove(render_id)
            self._decode.forget(render_id)

    def progress(self) -> Mapping[RenderId, Progress]:
        return {render_id: work.sequence.progress for render_id, work in self._work.items()}

    @property
    def is_idle(self) -> bool:
        return not self._work

    def _prepare(self, claim: Claim) -> _Work:
        keys = claim.settings.images
        try:
            images = [self._load_image(key) for key in keys]
        except OSError as error:  # Pillow's word for a file that is truncated or no picture
            raise RenderFailed("bad_condition_image", f"a condition image cannot be read: {error}") from error
        prompt = build_prompt(self._model, claim.settings, images)
        inputs = zip(keys, prompt.pixel_values, prompt.condition_grids, strict=True)
        grids = tuple(self._conditions.tokenize(*image) for image in inputs)
        sequence = ArSequence(claim, prompt.token_ids_with(grids))
        return _Work(sequence, prompt, grids)

    def _record(self, sequence: ArSequence, token: int) -> Outcome[Prior] | None:
        """Appends a token. How the render leaves the stage with it; None while it stays."""
        if token == NOT_A_NUMBER:
            return self._failed(sequence, "nan_logits", f"decode step {len(sequence.tokens) + 1} gave no numbers")
        sequence.tokens.append(token)
        if not sequence.is_finished:
            return None
        grid = sequence.token_grid()
        if not is_degenerate(grid):
            return self._finished(sequence, grid)
        log.warning("grid.degenerate", render_id=sequence.render_id, attempt=sequence.attempt)
        if sequence.attempt == _MAX_RETRIES:
            return self._failed(sequence, "degenerate_tokens", "the token grid collapsed to a few codes, twice")
        sequence.start_over()
        return None

    def _finished(self, sequence: ArSequence, grid: TokenGrid) -> Outcome[Prior]:
        grids = self._work[sequence.render_id].condition_grids
        self.drop(sequence.render_id)
        return Outcome(sequence.claim, result=Prior(grid, grids))

    def _failed(self, sequence: ArSequence, code: str, message: str) -> Outcome[Prior]:
        self.drop(sequence.render_id)
        return Outcome(sequence.claim, error=RenderFailed(code, message))
