"""Links to finished pictures for answers whose reader fetches them at once."""

from api import idempotency
from api.services import Services
from shared.jobs import Job, Picture


def link_of(house: Services, job: Job, index: int, picture: Picture) -> str:
    """Presigned, so it needs no key; where clients can't reach the object store, our own route, which does."""
    idempotency.holds_links()
    if house.settings.s3_links == "streamed":
        return f"{house.settings.public_url.rstrip('/')}/v1/jobs/{job.job_id}/images/{index}"
    filename = f"{job.job_id}-{index}.{job.spec.settings.output_format}"
    return house.objects.presign(picture.key, filename=filename, content_type=picture.content_type)
