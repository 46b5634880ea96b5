"""Writes the manifest of a job: a JSON object in the object store that remains after the job's record is purged."""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog
from structlog.contextvars import bound_contextvars

from shared.errors import GridpressError, JobNotFound
from shared.jobs.job import Job
from shared.jobs.manifest import manifest_key
from shared.objects.store import ObjectStore
from shared.responses.job import job_response
from shared.settings.settings import Settings
from shared.store.jobs.jobs import JobStore
from shared.store.webhooks.manifests import ManifestClaim, ManifestStore
from shared.tracing.origin import log_ids
from workers.delivery.schedule import MANIFEST_DELAYS_S, retry_delay_s

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ManifestService:
    """Writes due manifests of jobs, one at a time, and records the outcomes in the store."""

    manifests: ManifestStore
    jobs: JobStore
    objects: ObjectStore
    settings: Settings
    rng: random.Random = field(default_factory=random.Random)

    def write_one(self) -> bool:
        """Writes the manifest of one job that is due. Returns whether any was due.

        Raises `StoreUnavailable` when the store is unreachable.
        """
        claim = self.manifests.claim()
        if claim is None:
            return False
        with bound_contextvars(**log_ids(claim.origin, job_id=claim.job_id)):
            self._write(claim)
        return True

    def _write(self, claim: ManifestClaim) -> None:
        try:
            job = claim.job or self.jobs.job_of_any_tenant(claim.job_id)
            write_manifest(
                self.objects, job, job_response(job, self.settings.public_url, self.settings.served_model_name)
            )
        except JobNotFound as error:
            self.manifests.abandon(claim, str(error))
        except GridpressError as error:
            self._after_failure(claim, error)
        except Exception as error:
            log.exception("manifest.crashed")
            self._after_failure(claim, error)
        else:
            self.manifests.written(claim)
            log.info("manifest.written", attempt=claim.attempt)

    def _after_failure(self, claim: ManifestClaim, error: Exception) -> None:
        delay_s = retry_delay_s(MANIFEST_DELAYS_S, claim.attempt, self.rng)
        log.warning("manifest.failed", attempt=claim.attempt, error=str(error))
        if delay_s is None:
            self.manifests.abandon(claim, str(error))
        else:
            self.manifests.retry_later(claim, str(error), delay_s)


def write_manifest(objects: ObjectStore, job: Job, response: Mapping[str, object]) -> None:
    """Writes the manifest of a job to the object store.

    The manifest holds the job as the API returns it (`response`), the keys of its pictures, and its spec. If the store
    loses the job, the job can be restored from the manifest. A repeated call writes the same content.
    """
    pictures = [
        {"index": render.index, "key": render.picture.key, "manifest_key": render.picture.manifest_key}
        for render in job.renders
        if render.picture
    ]
    body = {"version": 1, "job": response, "pictures": pictures, "spec": job.spec.model_dump(mode="json")}
    objects.put(manifest_key(job.job_id), json.dumps(body, ensure_ascii=False).encode(), "application/json")
