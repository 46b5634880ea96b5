"""One render while it is decoded. Plain Python: token ids and counts, no tensors."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.geometry import small_grid
from shared.ids import JobId, RenderId
from shared.jobs.leases import Claim, Progress
from shared.jobs.token_grid import TokenGrid
from workers.ar.kv_book import Extent


@dataclass(slots=True)
class ArSequence:
    """A prompt, then the draft grid (not for edits), then the grid that is handed on.

    All of the prompt but its last token is prefilled; that one is the first decode step's input, so every token is
    sampled by the same code, after a prefill of its own, a shared one, or a retry. The end token's place is known, so
    it is never sampled. `attempt` 1 is the retry after a degenerate grid. `number` is the place of its claim among the
    worker's; `since_step` is the step in which it came to where it is now, waiting or running.
    """

    claim: Claim
    prompt: Sequence[int]
    number: int = 0
    since_step: int = 0
    attempt: int = 0
    extent: Extent | None = None
    is_placed: bool = False
    num_prefilled: int = 0
    tokens: list[int] = field(default_factory=list)

    @property
    def render_id(self) -> RenderId:
        return self.claim.render_id

    @property
    def job_id(self) -> JobId:
        return self.claim.job_id

    @property
    def rank(self) -> int:
        """Its class; 0 is the most urgent."""
        return self.claim.priority.rank

    @property
    def num_tokens_total(self) -> int:
        """Tokens to sample: all decode steps but the end token's."""
        return self.claim.settings.num_decode_steps - 1

    @property
    def num_kv_tokens(self) -> int:
        """KV memory that it will ever need. The last sampled token is never fed back."""
        return len(self.prompt) + self.num_tokens_total - 1

    @property
    def num_to_prefill(self) -> int:
        return len(self.prompt) - 1 - self.num_prefilled

    @property
    def next_input(self) -> int:
        """The token that the next decode step feeds."""
        return self.tokens[-1] if self.tokens else self.prompt[-1]

    @property
    def next_position(self) -> int:
        """Where that token's keys and values go, counted from the sequence's first token."""
        return len(self.prompt) - 1 + len(self.tokens)

    @property
    def is_finished(self) -> bool:
        return len(self.tokens) == self.num_tokens_total

    @property
    def stream_seed(self) -> int:
        """The seed of its random stream: the render's own, or one derived from it and the number of the retry."""
        if self.attempt == 0:
            return self.claim.seed
        digest = hashlib.sha256(f"{self.claim.seed}:{self.attempt}".encode()).digest()
        return int.from_bytes(digest[:8], "big") >> 1

    @property
    def progress(self) -> Progress:
        """In decode steps, the end token's included."""
        total = self.claim.settings.num_decode_steps
        return Progress(total if self.is_finished else len(self.tokens), total)

    def token_grid(self) -> TokenGrid:
        """The large grid. The draft before it has served its purpose."""
        settings = self.claim.settings
        draft = 0 if settings.is_edit else small_grid(settings.width_px, settings.height_px).num_tokens
        return TokenGrid(settings.grid, tuple(self.tokens[draft:]))

    def start_over(self) -> None:
        """Forgets the sampled tokens; the prompt's KV stays."""
        self.attempt += 1
        self.tokens.clear()
