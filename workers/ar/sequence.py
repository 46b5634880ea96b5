"""The state of one render while it is decoded: token ids and counts in plain Python, no tensors."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.geometry import small_grid
from shared.ids import JobId, RenderId
from shared.jobs.leases import Claim, Progress
from shared.jobs.token_grid import TokenGrid
from workers.ar.kv_allocator import Extent


@dataclass(slots=True)
class ArSequence:
    """The tokens of a render: its prompt, then a small draft grid (not for edits), then the grid that goes to the DiT
    stage.

    All tokens of the prompt except the last are prefilled. The last one is the input of the first decode step. So the
    same code samples the first token in all cases: after a prefill, after a copied prefill, and in a retry. The end
    token is never sampled, because its position is known.

    - `attempt` is 1 for the retry after a degenerate grid, else 0.
    - `number` is the number of this render's claim, in the order of the worker's claims.
    - `since_step` is the step in which the sequence began to wait or, once it runs, began to run.
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
        """The rank of the render's class. 0 is the most urgent class."""
        return self.claim.priority.rank

    @property
    def num_tokens_total(self) -> int:
        """The number of tokens to sample. The end token has a decode step too, but it is not sampled."""
        return self.claim.settings.num_decode_steps - 1

    @property
    def num_kv_tokens(self) -> int:
        """The number of tokens of KV memory that the sequence needs until it ends. The last sampled token needs none,
        because it is never an input of the model.
        """
        return len(self.prompt) + self.num_tokens_total - 1

    @property
    def num_to_prefill(self) -> int:
        return len(self.prompt) - 1 - self.num_prefilled

    @property
    def num_to_sample(self) -> int:
        return self.num_tokens_total - len(self.tokens)

    @property
    def next_input(self) -> int:
        """The token that is the input of the next decode step."""
        return self.tokens[-1] if self.tokens else self.prompt[-1]

    @property
    def next_position(self) -> int:
        """The position in the sequence at which the next decode step writes its keys and values: 0 is the first token
        of the prompt.
        """
        return len(self.prompt) - 1 + len(self.tokens)

    @property
    def is_finished(self) -> bool:
        return not self.num_to_sample

    @property
    def stream_seed(self) -> int:
        """The seed of the random numbers for sampling: the render's own seed. For a retry it is derived from that seed
        and `attempt`.
        """
        if self.attempt == 0:
            return self.claim.seed
        digest = hashlib.sha256(f"{self.claim.seed}:{self.attempt}".encode()).digest()
        return int.from_bytes(digest[:8], "big") >> 1

    @property
    def progress(self) -> Progress:
        """The sequence's progress in decode steps. The end token counts as a step."""
        total = self.claim.settings.num_decode_steps
        return Progress(total if self.is_finished else len(self.tokens), total)

    def token_grid(self) -> TokenGrid:
        """Returns the token grid for the DiT stage, without the draft grid that was sampled before it."""
        settings = self.claim.settings
        draft = 0 if settings.is_edit else small_grid(settings.width_px, settings.height_px).num_tokens
        return TokenGrid(settings.grid, tuple(self.tokens[draft:]))

    def start_over(self) -> None:
        """Starts the retry that follows a degenerate token grid: removes the sampled tokens and increases `attempt`.
        The prompt's keys and values stay in KV memory.
        """
        self.attempt += 1
        self.tokens.clear()
