"""Makes links to finished pictures, for responses whose reader fetches them at once."""

from api.edge import idempotency
from api.edge.proxies import base_url
from api.services import Services
from shared.jobs.job import Job, Picture


def link_of(house: Services, job: Job, index: int, picture: Picture) -> str:
    """Returns a presigned link, which needs no key; when links are streamed, our own route, which needs one."""
    idempotency.holds_links()
    if house.settings.s3_links == "streamed":
        return f"{base_url()}/v1/jobs/{job.job_id}/images/{index}"
    filename = f"{job.job_id}-{index}.{job.spec.settings.output_format}"
    return house.objects.presign(picture.key, filename=filename, content_type=picture.content_type)
