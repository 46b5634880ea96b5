"""Removes index entries of old jobs whose objects are gone, for example by a lifecycle rule of the bucket."""

import structlog

from shared.store.jobs.kept import KeptJobs

log = structlog.get_logger()

_MOST_AT_ONCE = 100
_DAY_S = 24 * 3600
# More of the same list may be gone. The pause leaves time to notice a bucket that was named by mistake.
_SOON_S = 5


def forget_lost_jobs(kept: KeptJobs) -> int:
    """Looks for the manifests of the oldest jobs of one list of index entries, and removes entries without a manifest.
    Returns the number of removed entries.

    A lifecycle rule deletes the oldest objects first. So a look at a few old entries of each list is enough, once a day
    and again after some were removed. Whoever reads an entry without a manifest removes it too.
    """
    oldest = kept.oldest(_MOST_AT_ONCE, _DAY_S)
    if oldest is None:
        return 0
    manifests = kept.manifests(oldest.job_ids)
    gone = [job_id for job_id, text in zip(oldest.job_ids, manifests, strict=True) if text is None]
    if not gone:
        return 0
    num = kept.forget(gone, oldest.tenant)
    kept.look_again(oldest, _SOON_S)
    log.info("upkeep.lost_jobs_forgotten", tenant=oldest.tenant, num=num)
    return num
