"""Loads condition images by object key before the engine needs them, and caches the last few images in decoded form."""

import io
import threading
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress

from PIL import Image

from shared.errors import ObjectNotFound
from shared.ids import ObjectKey
from shared.objects.store import ObjectStore

_MOST_KEPT = 16  # images in the cache, of at most 12 MiB each


class ConditionImages:
    """A cache of condition images. An object key always means the same content, so an entry never becomes stale.
    Thread-safe.
    """

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._kept: OrderedDict[ObjectKey, Image.Image] = OrderedDict()
        self._lock = threading.Lock()

    def prefetch(self, keys: Iterable[ObjectKey]) -> None:
        """Loads images into the cache. Raises `ObjectStoreUnavailable`. Skips a missing image without an error, because
        `load` raises an error for it later.
        """
        for key in keys:
            with suppress(ObjectNotFound):
                self.load(key)

    def load(self, key: ObjectKey) -> Image.Image:
        """Returns a condition image in RGB, from the cache if possible. Raises `ObjectNotFound` and
        `ObjectStoreUnavailable`.
        """
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        image = Image.open(io.BytesIO(self._objects.get(key)), formats=("PNG",)).convert("RGB")
        with self._lock:
            self._kept[key] = image
            while len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        return image
