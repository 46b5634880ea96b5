"""Stores the saved states of unfinished renders in the object store when a worker drains, and loads them on another
worker.

It handles bytes only.
"""

import hashlib
import json
from collections.abc import Mapping

import structlog

from shared.errors import ObjectNotFound, ObjectStoreUnavailable
from shared.ids import ObjectKey
from shared.jobs.leases import Claim, Handover
from shared.metrics.catalogue import HANDOVERS, STEPS_SAVED
from shared.objects.store import ObjectStore
from shared.store.renders.leases import LeaseStore
from workers.engine.stepper import Unfinished

log = structlog.get_logger()

_VERSION = 1  # of the format of the saved bytes; increase it when that format changes


class Handovers:
    """Stores and loads the saved states with which another worker continues renders. The first line of each object
    identifies the format, the request, the token grid, the model and the engine. If any of these differ when the object
    is loaded, the object is not used.
    """

    def __init__(self, objects: ObjectStore, engine: Mapping[str, str], kept_s: float) -> None:
        """Creates the store of saved states. `engine` describes the software and device that compute pictures, as in
        the manifests of pictures. An object is deleted after `kept_s` seconds.

        `objects` should be a client with short timeouts, because a draining worker has little time.
        """
        self._objects = objects
        self._engine = dict(sorted(engine.items()))
        self._kept_s = kept_s

    def store(self, leases: LeaseStore, claim: Claim, unfinished: Unfinished) -> Handover:
        """Stores the saved state of a render in the object store, for a worker that will continue the render. Returns a
        handover, which names the stored object. Raises `StoreUnavailable` and `ObjectStoreUnavailable`.

        The object key contains the lease's holder, so an attempt that lost its lease overwrites nothing.
        """
        key = ObjectKey(f"{claim.folder}/unfinished")
        data = f"{self._heading(claim)}\n".encode() + unfinished.data
        leases.keep_handover(key, self._kept_s)  # registered before the upload, so that it is deleted in any case
        self._objects.put(key, data, "application/octet-stream")
        HANDOVERS.labels("stored").inc()
        return Handover(key, hashlib.sha256(data).hexdigest(), unfinished.num_done)

    def load(self, claim: Claim) -> bytes | None:
        """Returns the saved state of a claimed render, or None if the render must start its stage from the beginning.

        The render must start again if the claim has no handover (no saved state from another worker). It must also
        start again if the stored object is missing, damaged, unreachable or from another engine.
        """
        if claim.handover is None:
            return None
        try:
            data = self._opened(claim, claim.handover, self._objects.get(claim.handover.key))
        except (ObjectNotFound, ObjectStoreUnavailable, ValueError) as error:
            reject_handover(claim, error)
            return None
        HANDOVERS.labels("resumed").inc()
        STEPS_SAVED.inc(claim.handover.num_done)
        log.info("render.resumed", **claim.log_ids, steps=claim.handover.num_done)
        return data

    def _opened(self, claim: Claim, handover: Handover, data: bytes) -> bytes:
        if hashlib.sha256(data).hexdigest() != handover.sha256:
            raise ValueError("the object is damaged")
        heading, _, body = data.partition(b"\n")
        if heading != self._heading(claim).encode():
            raise ValueError("it was computed by another engine, or for another request")
        return body

    def _heading(self, claim: Claim) -> str:
        """Returns the first line of a saved state's object: the format version and a digest of the request, token grid,
        model and engine.
        """
        request = {"settings": claim.settings.model_dump(mode="json"), "seed": claim.seed, "revision": claim.revision}
        prior = claim.prior.to_bytes() if claim.prior else b""
        text = json.dumps({**request, "engine": self._engine}, sort_keys=True)
        return f"gridpress unfinished {_VERSION} {hashlib.sha256(text.encode() + prior).hexdigest()}"


def reject_handover(claim: Claim, error: Exception) -> None:
    """Logs and counts that a saved state from another worker can't be used. The render then starts its stage from the
    beginning.
    """
    HANDOVERS.labels("not_resumed").inc()
    log.warning("render.not_resumed", **claim.log_ids, error=str(error))
