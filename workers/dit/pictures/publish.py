"""Writes a finished picture, its token grid and its manifest to the object store, then commits the render."""

import hashlib
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import UTC, datetime
from functools import partial

from shared.ids import ObjectKey
from shared.jobs.job import Picture
from shared.jobs.leases import Claim
from shared.jobs.usage import Used, usage_of
from shared.objects.store import ObjectStore
from shared.store.renders.leases import LeaseStore
from workers.dit.pictures.decoded import Decoded
from workers.dit.pictures.encode import Encoded, Provenance, encode_picture
from workers.dit.pictures.labelling import Labelling
from workers.stage.reuse import Reuse

_NUM_UPLOADS = 8  # concurrent uploads of manifests and token grids, for several pictures


class Publisher:
    """Writes a picture's objects before the render is committed, so every picture that a client sees exists.

    Keys contain the lease's holder, so an attempt that lost its lease can't overwrite the objects of the attempt that
    won.
    """

    def __init__(
        self,
        objects: ObjectStore,
        model_name: str,
        labelling: Labelling,
        engine: Mapping[str, str],
        *,
        checks_pictures: bool = False,
        reuse: Reuse | None = None,
    ) -> None:
        """Creates the publisher.

        `engine` describes the software and device that computed the pictures (device, dtype, versions). The manifests
        contain this description. `checks_pictures` says whether a content hook must allow each picture first.
        `reuse` notes pictures that may answer the same request again.
        """
        self._reuse = reuse
        self._checks_pictures = checks_pictures
        self._objects = objects
        self._model_name = model_name
        self._labelling = labelling
        self._engine = engine
        self._uploads = ThreadPoolExecutor(_NUM_UPLOADS, thread_name_prefix="upload")

    def write_of(self, leases: LeaseStore, claim: Claim, decoded: Decoded, device_s: float = 0.0) -> Callable[[], None]:
        """Encodes the picture. Returns a function that writes its objects to the object store and commits the render.
        `device_s` is the seconds of the device that the render took.

        Raises `RenderFailed` if the picture can't be encoded. The returned function raises `LeaseLost`,
        `StoreUnavailable` and `ObjectStoreUnavailable`. Calling it again is safe.
        """
        prior = claim.prior
        assert prior
        provenance = Provenance(claim.seed, self._model_name, claim.revision, self._engine["gridpress"])
        encoded = encode_picture(decoded.image, claim.settings, provenance, self._labelling)
        folder = claim.folder
        picture = Picture(
            key=ObjectKey(f"{folder}/image.{claim.settings.output_format}"),
            manifest_key=ObjectKey(f"{folder}/manifest.json"),
            sha256=hashlib.sha256(encoded.data).hexdigest(),
            num_bytes=len(encoded.data),
            content_type=encoded.content_type,
        )
        used = usage_of(claim, picture, device_s)
        facts = self._manifest(claim, decoded, picture, self._label(claim, encoded)) | {"usage": _usage(used)}
        manifest = json.dumps(facts, ensure_ascii=False)
        beside = (
            (picture.grid_key, prior.to_bytes(), "application/octet-stream"),
            (picture.manifest_key, manifest.encode(), "application/json"),
        )

        def write() -> None:
            uploads = [self._uploads.submit(copy_context().run, partial(self._objects.put, *each)) for each in beside]
            self._objects.put(picture.key, encoded.data, encoded.content_type)
            for upload in uploads:
                upload.result()
            if self._reuse:  # before clients learn of the picture: they may send an equal request at once
                self._reuse.note(claim, picture)
            leases.finish_picture(claim.lease, picture, used, to_check=self._checks_pictures or claim.checks_text)

        return write

    def _label(self, claim: Claim, encoded: Encoded) -> Mapping[str, object]:
        """Returns what the picture says about its origin: the provider, and the provider's number of the picture.

        `mark` is the text of the visible mark, or null. `mark_font` is the SHA-256 of its font file, or null for the
        default font. `signed_by` is the SHA-256 of the certificate that signed the picture, or null.
        """
        mark, signer = claim.settings.mark, self._labelling.signer
        return {
            "producer": self._labelling.producer,
            "produce_id": encoded.produce_id,
            "mark": mark,
            "mark_font": self._labelling.font.digest if mark else None,
            "signed_by": signer.fingerprint if signer else None,
        }

    def _manifest(
        self, claim: Claim, decoded: Decoded, picture: Picture, label: Mapping[str, object]
    ) -> dict[str, object]:
        """Returns the manifest of the picture.

        `engine` describes the software and the device of the DiT stage, and `ar_engine` those of the AR stage, which is
        null for a token grid of an earlier job. The field `attempts` counts the attempts of the DiT stage, so it is 1
        if nothing went wrong. The field `picture` has the size of the delivered picture, and `settings` has the size
        that was rendered.
        """
        width_px, height_px = claim.settings.delivered_size
        return {
            "version": 1,
            "job_id": claim.job_id,
            "tenant": claim.tenant,
            "index": claim.index,
            "seed": claim.seed,
            "settings": claim.settings.model_dump(mode="json"),
            "model": {"name": self._model_name, "revision": claim.revision},
            "engine": self._engine,
            "ar_engine": dict(claim.prior_engine) or None,
            "quality": claim.settings.quality,
            "attempts": claim.attempt,
            "timings": {"denoise_s": round(decoded.denoise_s, 3), "decode_s": round(decoded.decode_s, 3)},
            "picture": {
                "key": picture.key,
                "width": width_px,
                "height": height_px,
                "sha256": picture.sha256,
                "bytes": picture.num_bytes,
                "content_type": picture.content_type,
                "is_blank": decoded.is_blank,
            },
            "label": label,
            "token_grid": {"key": picture.grid_key, "rows": claim.settings.grid.rows, "cols": claim.settings.grid.cols},
            "finished_at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }


def _usage(used: Used) -> Mapping[str, object]:
    """Returns what the picture added to the usage of its tenant, for the manifest. Webhook messages are sent later, so
    they are left out.
    """
    amounts = used.amounts.in_seconds()
    del amounts["webhooks"]
    return {"key_id": used.key_id or None, **amounts}
