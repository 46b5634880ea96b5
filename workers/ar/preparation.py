"""Builds prompts on the threads that fetch the inputs of claimed renders, so that decoding never waits for a tokenizer.

It uses no device.
"""

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
    """Builds the prompts of claimed renders and stores them until the engine takes them. Safe to use from several
    threads.
    """

    def __init__(self, model: ArModel, load_image: Callable[[ObjectKey], Image.Image], most_kept: int) -> None:
        """Creates an empty store of prompts. `most_kept` is the largest number of prompts to store. It must be the
        number of claims that can be in preparation at the same time.

        If a claim's lease is lost before the engine admits the claim, the engine never takes the claim's prompt. So the
        oldest prompts are removed when there are more than `most_kept`.
        """
        self._model = model
        self._load_image = load_image
        self._most_kept = most_kept
        self._kept: OrderedDict[Lease, Prompt] = OrderedDict()
        self._lock = threading.Lock()
        self._one_builds = threading.Lock()  # the processor stores the settings of its last call on itself

    def prepare(self, claim: Claim) -> None:
        """Builds a claimed render's prompt and stores it until the engine takes it. Raises the same errors
        as `take`.
        """
        prompt = self._build(claim)
        with self._lock:
            self._kept[claim.lease] = prompt
            if len(self._kept) > self._most_kept:
                self._kept.popitem(last=False)

    def take(self, claim: Claim) -> Prompt:
        """Removes and returns the prompt that was built for the claim's lease. If no prompt was built for that lease,
        builds it now.

        Raises `RenderFailed("bad_condition_image")`, `ObjectNotFound` and `ObjectStoreUnavailable`.
        """
        with self._lock:
            prompt = self._kept.pop(claim.lease, None)
        return prompt or self._build(claim)

    def _build(self, claim: Claim) -> Prompt:
        try:
            images = [self._load_image(key) for key in claim.settings.images]
        except OSError as error:  # Pillow raises it for a truncated file, or one that is no picture
            raise RenderFailed("bad_condition_image", f"a condition image cannot be read: {error}") from error
        with self._one_builds:
            return build_prompt(self._model, claim.settings, images)
