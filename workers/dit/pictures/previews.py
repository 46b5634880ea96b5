"""Pictures of a render that is still being denoised: when they are due, and how clients get them."""

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

log = structlog.get_logger()

_MOST_WAITING = 8  # where the object store is slow or away, the newest are left out
_JPEG_QUALITY = 85


@dataclass(frozen=True, slots=True)
class Preview:
    """The clean picture that a denoise step predicts: `number` of `total`, small, RGB."""

    claim: Claim
    number: int
    total: int
    image: Image.Image


def preview_steps(num_steps: int, count: int) -> Sequence[int]:
    """After how many denoise steps a preview is due: up to `count`, evenly spaced, never the finished picture."""
    steps = {round(num_steps * k / (count + 1)) for k in range(1, count + 1)}
    return sorted(steps - {0, num_steps})


class PreviewPublisher:
    """Stores previews beside their picture and tells the job's event stream, on a thread of its own.

    A preview is a courtesy: one that cannot be stored is left out, and its render never knows.
    """

    def __init__(self, objects: ObjectStore, leases: LeaseStore) -> None:
        self._objects = objects
        self._leases = leases
        self._room = BoundedSemaphore(_MOST_WAITING)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="preview")

    def submit(self, preview: Preview) -> None:
        """Never waits."""
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
        """The key carries the lease's holder, so a lost attempt overwrites nothing; its event is refused."""
        claim = preview.claim
        key = ObjectKey(f"{claim.folder}/preview-{preview.number}.jpeg")
        file = io.BytesIO()
        preview.image.save(file, "JPEG", quality=_JPEG_QUALITY)
        self._objects.put(key, file.getvalue(), "image/jpeg")
        data = {"index": claim.index, "number": preview.number, "total": preview.total, "key": key}
        self._leases.publish_event(claim.lease, "render.preview", data)
