"""Publishes previews of a render that is still being denoised. It decides when previews are due, stores them and
notifies clients.
"""

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import BoundedSemaphore

import structlog
from PIL import Image
from structlog.contextvars import bound_contextvars

from shared.errors import GridpressError
from shared.ids import ObjectKey
from shared.jobs.leases import Claim
from shared.objects.store import ObjectStore
from shared.store.renders.leases import LeaseStore
from workers.dit.pictures.labelling import Labelling
from workers.dit.pictures.labels import aigc_field, produce_id, xmp_packet

log = structlog.get_logger()

_MOST_WAITING = 8  # if the object store is slow or unreachable, later previews are left out
_JPEG_QUALITY = 85


@dataclass(frozen=True, slots=True)
class Preview:
    """A preview: the small RGB picture that a denoise step predicts. It is number `number` of `total` previews of its
    render.
    """

    claim: Claim
    number: int
    total: int
    image: Image.Image


def preview_steps(num_steps: int, count: int) -> Sequence[int]:
    """Returns the denoise steps after which a preview is due: up to `count` steps, evenly spaced, never the
    last one.
    """
    steps = {round(num_steps * k / (count + 1)) for k in range(1, count + 1)}
    return sorted(steps - {0, num_steps})


class PreviewPublisher:
    """Stores previews beside their picture in the object store, and publishes an event for each on the job's event
    stream. It works on a separate thread.

    A preview that can't be stored is left out, and its render is not affected.
    """

    def __init__(
        self, objects: ObjectStore, leases: LeaseStore, labelling: Labelling, *, is_withheld: bool = False
    ) -> None:
        """Creates the publisher. With `is_withheld` it publishes nothing: a content hook must see each picture before
        anybody else does.
        """
        self._is_withheld = is_withheld
        self._objects = objects
        self._leases = leases
        self._labelling = labelling
        self._room = BoundedSemaphore(_MOST_WAITING)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="preview")

    def submit(self, preview: Preview) -> None:
        """Queues a preview for publishing. It never blocks: if too many previews are waiting, this one is dropped."""
        if self._is_withheld:
            return
        if self._room.acquire(blocking=False):
            self._pool.submit(self._publish, preview)
        else:
            log.warning("preview.left_out", **preview.claim.log_ids)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _publish(self, preview: Preview) -> None:
        with bound_contextvars(**preview.claim.log_ids):
            self._publish_bound(preview)

    def _publish_bound(self, preview: Preview) -> None:
        try:
            self._store(preview)
        except GridpressError as error:
            log.warning("preview.not_published", error=str(error))
        except Exception:
            log.exception("preview.not_published")
        finally:
            self._room.release()

    def _store(self, preview: Preview) -> None:
        """Stores the preview and publishes its event.

        The object key contains the lease's holder, so an attempt that lost its lease overwrites nothing. The store
        refuses the event of such an attempt.
        """
        claim = preview.claim
        key = ObjectKey(f"{claim.folder}/preview-{preview.number}.jpeg")
        file, image = io.BytesIO(), self._labelling.marked(preview.image, claim.settings.mark)
        label = xmp_packet(aigc_field(self._labelling.producer, produce_id(image)))
        image.save(file, "JPEG", quality=_JPEG_QUALITY, xmp=label)
        self._objects.put(key, file.getvalue(), "image/jpeg")
        data = {"index": claim.index, "number": preview.number, "total": preview.total, "key": key}
        self._leases.publish_event(claim.lease, "render.preview", data)
