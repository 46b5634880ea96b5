"""Decodes pictures in child processes, so that no picture costs this process much memory or time."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache

from typing_extensions import Buffer

from shared.errors import InvalidImage
from shared.ids import TenantId
from shared.process.quota import Quota
from shared.sandbox.child import Task, TaskKilled
from shared.sandbox.pool import Pool
from shared.sandbox.turns import Turns

_PLACES = 2  # so that a tenant whose picture takes long leaves a place for the others
_FETCHES = 8  # of pictures behind URLs, each in memory while it comes and until it was looked at
_CPU_S = 10  # a picture of 40 million pixels takes 3 on a slow core
_WALL_S = 30.0
# What a child needs itself, and for each pixel: 4 bytes as Pillow has them, in up to four copies on the way (decoder's
# own, upright, transparency, white ground), and what a progressive JPEG keeps.
_OWN_BYTES = 256 * 1024 * 1024
_BYTES_PER_PIXEL = 20

_WHY = {
    "time": f"the picture takes more than {_CPU_S} s to decode",
    "memory": "the picture takes too much memory to decode",
    "crash": "the picture can't be decoded",
}


@dataclass(frozen=True, slots=True)
class Encoded:
    """The encoded bytes of a picture, as the caller sent them."""

    data: Buffer
    is_base64: bool = False


Load = Callable[[], Encoded]


class Decoders:
    """The decoding children of this process, shared by all its requests. Tenants take turns.

    `quota` limits how many children of several processes decode at once.
    """

    def __init__(self, max_pixels: int, quota: Quota | None = None) -> None:
        memory_bytes = _OWN_BYTES + _BYTES_PER_PIXEL * max_pixels
        self.pool = Pool(
            Task("shared.images.decoding_task:decode", memory_bytes, _CPU_S, _WALL_S), _PLACES, quota=quota
        )
        self._max_pixels = max_pixels
        self._fetches = Turns(_FETCHES)

    def normalise(self, load: Load, tenant: TenantId, field: str) -> bytes:
        """Returns the picture as `shared.images.normalise` does. `load` is called only when it is the tenant's turn.

        So few pictures are in memory at once. Raises `InvalidImage`, naming `field`, `ServiceBusy`, and whatever `load`
        raises.
        """
        with self.pool.child(tenant) as child:
            picture = load()
            ask = {"max_pixels": self._max_pixels, "is_base64": picture.is_base64}
            try:
                answer, png = self.pool.ask(tenant, child, ask, picture.data)
            except TaskKilled as error:
                raise InvalidImage(_WHY[error.why], field) from error
        if "refused" in answer:
            raise InvalidImage(answer["refused"], field)
        return png

    def fetching(self, tenant: TenantId) -> AbstractContextManager[None]:
        """Limits how many pictures are fetched from the web at once, within the returned block.

        Raises `ServiceBusy`.
        """
        return self._fetches.turn(tenant)


@cache
def decoders_of(max_pixels: int, quota: Quota | None = None) -> Decoders:
    """Returns the decoders of this process. They are cached, so that a second app starts no further children."""
    return Decoders(max_pixels, quota)
