"""Stores what a drained worker's renders have come to, and finds it again. Knows no tensors: bytes in, bytes out."""

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

_VERSION = 1  # of the bytes; raise it with any change of what an engine puts into them


class Handovers:
    """An object names all that its picture depends on. One that was made of anything else is not used."""

    def __init__(self, objects: ObjectStore, engine: Mapping[str, str], kept_s: float) -> None:
        """`engine`: what computes the pictures, as in their manifests. `kept_s`: after that an object is deleted.

        `objects` should be hasty: a draining worker has little time.
        """
        self._objects = objects
        self._engine = dict(sorted(engine.items()))
        self._kept_s = kept_s

    def store(self, leases: LeaseStore, claim: Claim, unfinished: Unfinished) -> Handover:
        """Raises `StoreUnavailable` and `ObjectStoreUnavailable`. The key carries the lease's holder: an attempt that
        lost its lease overwrites nothing.
        """
        key = ObjectKey(f"{claim.folder}/unfinished")
        data = f"{self._heading(claim)}\n".encode() + unfinished.data
        leases.keep_handover(key, self._kept_s)  # before it is there: so it is deleted in any case
        self._objects.put(key, data, "application/octet-stream")
        HANDOVERS.labels("stored").inc()
        return Handover(key, hashlib.sha256(data).hexdigest(), unfinished.num_done)

    def load(self, claim: Claim) -> bytes | None:
        """Returns what `store` was given, or None for a render that starts the stage: nothing was handed over, or it is
        gone, damaged or of another engine.
        """
        if claim.handover is None:
            return None
        try:
            data = self._opened(claim, claim.handover, self._objects.get(claim.handover.key))
        except (ObjectNotFound, ObjectStoreUnavailable, ValueError) as error:
            refuse(claim, error)
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
        """The version of the format and a digest of the request, its token grid, the model and the engine."""
        request = {"settings": claim.settings.model_dump(mode="json"), "seed": claim.seed, "revision": claim.revision}
        prior = claim.prior.to_bytes() if claim.prior else b""
        text = json.dumps({**request, "engine": self._engine}, sort_keys=True)
        return f"gridpress unfinished {_VERSION} {hashlib.sha256(text.encode() + prior).hexdigest()}"


def refuse(claim: Claim, error: Exception) -> None:
    """The render starts its stage again."""
    HANDOVERS.labels("not_resumed").inc()
    log.warning("render.not_resumed", **claim.log_ids, error=str(error))
