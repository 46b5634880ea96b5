"""Creates links to finished pictures for the responses of OpenAI's and Z.ai's routes. The links may expire."""

from api.edge import idempotency
from api.edge.proxies import base_url
from api.services import Services
from shared.jobs.job import Job, Picture


def link_of(deps: Services, job: Job, index: int, picture: Picture) -> str:
    """Returns a link to a finished picture, and marks the response as one that contains links that expire.

    The link is a presigned URL, which needs no API key. If GRIDPRESS_S3_LINKS is `streamed`, the link is a route of
    this API, which needs a key.
    """
    idempotency.mark_expiring_links()
    if deps.settings.s3_links == "streamed":
        return f"{base_url()}/v1/jobs/{job.job_id}/images/{index}"
    filename = f"{job.job_id}-{index}.{job.spec.settings.output_format}"
    return deps.objects.presign(picture.key, filename=filename, content_type=picture.content_type)
