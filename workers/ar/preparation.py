"""Prompts built on the threads that claim, so that decoding never waits for a tokenizer. Touches no device."""

import threading
from collections import OrderedDict
from collections.abc import Callable

from PIL import Image

from shared.errors import RenderFailed
from shared.ids import ObjectKey
from shared.jobs.leases import Claim, Lease
from workers.ar.model.loading import ArModel
from workers.ar.prompt import Prompt, build_prompt


class Prompts:
    """Keeps what was built until the engine takes it. Safe to use from several threads."""

    def __init__(self, model: ArModel, load_image: Callable[[ObjectKey], Image.Image], most_kept: int) -> None:
        """`most_kept`: as many as claims may be on their way; claims that are lost on it leave theirs behind."""
        self._model = model
        self._load_image = load_image
        self._most_kept = most_kept
        self._kept: OrderedDict[Lease, Prompt] = OrderedDict()
        self._lock = threading.Lock()
        self._one_builds = threading.Lock()  # the processor keeps settings of the last call on itself

    def prepare(self, claim: Claim) -> None:
        """Builds the claim's prompt ahead. Raises what `take` raises."""
        prompt = self._build(claim)
        with self._lock:
            self._kept[claim.lease] = prompt
            if len(self._kept) > self._most_kept:
                self._kept.popitem(last=False)

    def take(self, claim: Claim) -> Prompt:
        """What was built for this very lease; built now if it was not.

        Raises `RenderFailed("bad_condition_image")`, `ObjectNotFound` and `ObjectStoreUnavailable`.
        """
        with self._lock:
            prompt = self._kept.pop(claim.lease, None)
        return prompt or self._build(claim)

    def _build(self, claim: Claim) -> Prompt:
        try:
            images = [self._load_image(key) for key in claim.settings.images]
        except OSError as error:  # Pillow's word for a file that is truncated or no picture
            raise RenderFailed("bad_condition_image", f"a condition image cannot be read: {error}") from error
        with self._one_builds:
            return build_prompt(self._model, claim.settings, images)
