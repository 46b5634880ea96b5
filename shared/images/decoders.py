"""Decodes images in child processes, so that no image takes much memory or time of this process."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache

from typing_extensions import Buffer

from shared.errors import InvalidImage
from shared.ids import TenantId
from shared.process.quota import SharedQuota
from shared.sandbox.child import Task, TaskKilled
from shared.sandbox.pool import Pool
from shared.sandbox.turns import Turns

_PLACES = 2  # child processes; one tenant may use only one of them, so slow images of one tenant block no other
_FETCHES = 8  # requests that fetch images from URLs at once; an image is in memory until it is normalised
_CPU_S = 10  # an image of 40 million pixels takes 3 s on a slow core
_WALL_S = 30.0
# Memory of a child: a fixed part, and 20 bytes for each pixel. Pillow holds 4 bytes per pixel in up to four copies (as
# decoded, upright, with transparency, on white). The other 4 bytes are for the coefficients of a progressive JPEG.
_OWN_BYTES = 256 * 1024 * 1024
_BYTES_PER_PIXEL = 20

_WHY = {
    "time": f"the picture takes more than {_CPU_S} s to decode",
    "memory": "the picture needs too much memory to decode",
    "crash": "the picture can't be decoded",
}


@dataclass(frozen=True, slots=True)
class Encoded:
    """The bytes of an image file, as the caller sent them. With `is_base64` they are base64 text."""

    data: Buffer
    is_base64: bool = False


Load = Callable[[], Encoded]


class Decoders:
    """A pool of child processes that decode images for this process. All requests share the pool, and tenants take
    turns.

    `quota` limits how many images the pools of several processes decode at the same time.
    """

    def __init__(self, max_pixels: int, quota: SharedQuota | None = None) -> None:
        memory_bytes = _OWN_BYTES + _BYTES_PER_PIXEL * max_pixels
        self.pool = Pool(
            Task("shared.images.decoding_task:decode", memory_bytes, _CPU_S, _WALL_S), _PLACES, quota=quota
        )
        self._max_pixels = max_pixels
        self._fetches = Turns(_FETCHES)

    def normalise(self, load: Load, tenant: TenantId, field: str) -> bytes:
        """Normalises a condition image in a child process, as `shared.images.normalise` describes. Returns the PNG
        file.

        `load` returns the encoded image. It is called only when it is the tenant's turn, so that only a few images are
        in memory at once. Raises `InvalidImage` with the name of the field, `ServiceBusy`, and the errors of `load`.
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

    def thumbnail(self, load: Load, tenant: TenantId, longest_px: int) -> bytes:
        """Makes a thumbnail of a picture in a child process. Returns a WebP file whose longer side has `longest_px`
        pixels at most.

        `load` returns the picture, as for `normalise`. Raises `InvalidImage`, `ServiceBusy`, and the errors of `load`.
        """
        with self.pool.child(tenant) as child:
            ask = {"is_base64": False, "thumbnail_px": longest_px}
            try:
                answer, small = self.pool.ask(tenant, child, ask, load().data)
            except TaskKilled as error:
                raise InvalidImage(_WHY[error.why]) from error
        if "refused" in answer:
            raise InvalidImage(answer["refused"])
        return small

    def fetching(self, tenant: TenantId) -> AbstractContextManager[None]:
        """Returns a context manager in which a request may fetch images from the web. It limits how many requests do so
        at once. Raises `ServiceBusy`.
        """
        return self._fetches.turn(tenant)


@cache
def decoders_of(max_pixels: int, quota: SharedQuota | None = None) -> Decoders:
    """Returns the decoders that all requests of this process share. Repeated calls return the same ones, so that a
    second Flask app starts no further child processes.
    """
    return Decoders(max_pixels, quota)
