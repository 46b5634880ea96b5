"""Answers a claimed render with a copy of an earlier picture of the same request, if the request permits it.

A picture depends on its request alone, so the copy is what the render would give. It lies in the folder of the new job
and lives as long as that job.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import structlog

from shared.errors import LeaseLost, ObjectNotFound
from shared.ids import JobId, ObjectKey, RenderId, render_id
from shared.jobs.job import Picture
from shared.jobs.leases import Claim
from shared.jobs.usage import Amounts, Used, key_of
from shared.objects.store import ObjectStore
from shared.settings.settings import Settings
from shared.store.core.connect import Client
from shared.store.renders.leases import LeaseStore
from shared.store.reuse.reuse import ReusablePictures
from workers.stage.attempts import End

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Reuse:
    """Finds and copies earlier pictures. All objects are written before the render is committed under its lease.

    A worker that dies in between leaves objects only in the job's own folder, and another worker claims the render.
    """

    pictures: ReusablePictures
    objects: ObjectStore

    @classmethod
    def of(cls, settings: Settings, client: Client, objects: ObjectStore) -> "Reuse | None":
        """Returns None while a content hook has to see each picture."""
        if settings.picture_hook_url is not None:
            return None
        return cls(ReusablePictures(client, settings.batch_retention_s), objects)

    def note(self, claim: Claim, picture: Picture) -> None:
        """Notes that the finished picture may answer the same request again, if its request permits it."""
        if claim.reuse:
            self.pictures.note(claim, picture.key)

    def end_of(self, leases: LeaseStore, claim: Claim) -> End | None:
        """Calls `answer` and returns how the attempt ended. Returns None if the render has to be rendered, which is
        also so after an error, since a copy only saves work.
        """
        try:
            return End.REUSED if self.answer(leases, claim) else None
        except LeaseLost:
            return End.LOST
        except Exception as error:  # noqa: BLE001
            log.warning("render.not_reused", error=str(error), **claim.log_ids)
            return None

    def answer(self, leases: LeaseStore, claim: Claim) -> bool:
        """Ends the render with a copy of an earlier picture. Returns False if there is none: it has to be rendered.

        Raises `LeaseLost`, `StoreUnavailable` and `ObjectStoreUnavailable`.
        """
        source = self.pictures.find(claim) if claim.reuse else None
        if source is None or source.startswith(f"jobs/{claim.job_id}/"):  # of an attempt that was not recorded
            return False
        if (copied := self._copied(claim, source)) is None:
            return False
        leases.finish_reused(claim.lease, copied, _used(claim, copied), _render_of(source))
        self.note(claim, copied)
        return True

    def _copied(self, claim: Claim, source: ObjectKey) -> Picture | None:
        """Copies the objects of a picture into the folder of this claim. Returns None if one is missing or broken."""
        folder, old_folder = claim.folder, source.rpartition("/")[0]
        try:
            manifest = json.loads(self.objects.get(ObjectKey(f"{old_folder}/manifest.json")))
            facts = manifest["picture"]
            picture = Picture(
                key=ObjectKey(f"{folder}/{source.rpartition('/')[2]}"),
                manifest_key=ObjectKey(f"{folder}/manifest.json"),
                sha256=str(facts["sha256"]),
                num_bytes=int(facts["bytes"]),
                content_type=str(facts["content_type"]),
            )
            self.objects.copy(source, picture.key)
            self.objects.copy(replace(picture, key=source).grid_key, picture.grid_key)
            text = json.dumps(_manifest(manifest, claim, picture, source), ensure_ascii=False)
        except (ObjectNotFound, ValueError, TypeError, KeyError) as error:
            log.info("render.not_reused", key=source, error=str(error), **claim.log_ids)
            return None
        self.objects.put(picture.manifest_key, text.encode(), "application/json")
        return picture


def _manifest(old: Mapping[str, Any], claim: Claim, picture: Picture, source: ObjectKey) -> dict[str, Any]:
    """Returns the manifest of the copy. It keeps the facts about the render that made the picture."""
    amounts = _used(claim, picture).amounts.in_seconds()
    del amounts["webhooks"]
    return {
        **old,
        "job_id": claim.job_id,
        "tenant": claim.tenant,
        "index": claim.index,
        "picture": {**old["picture"], "key": picture.key},
        "token_grid": {**old["token_grid"], "key": picture.grid_key},
        "reused_from": _render_of(source),
        "usage": {"key_id": key_of(claim.origin) or None, **amounts},
    }


def _used(claim: Claim, picture: Picture) -> Used:
    """Returns what a copy adds to the usage of its tenant: a picture without any work of a device."""
    settings = claim.settings
    amounts = Amounts(pictures=1, pixels=settings.width_px * settings.height_px, stored_bytes=picture.num_bytes)
    return Used(key_of(claim.origin), settings.quality, amounts)


def _render_of(key: ObjectKey) -> RenderId:
    """Returns the id of the render that stored a picture under this key."""
    _, job_id, index, *_ = key.split("/")
    return render_id(JobId(job_id), int(index))
