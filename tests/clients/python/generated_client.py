"""The client that openapi-python-client generated into the folder that the argument names."""

import sys
from typing import Any

from steps import KEY, PROMPT, SIZE, URL, check_picture, expect, step

sys.path.insert(0, sys.argv[1])
from generated_client import AuthenticatedClient, models
from generated_client.api.jobs import create_job, get_job
from generated_client.api.pictures import get_image

client = AuthenticatedClient(base_url=URL, token=KEY, follow_redirects=True, timeout=60)
job: Any = None

with step("submit"):
    job = create_job.sync(client=client, body=models.JobRequest(prompt=PROMPT, size=SIZE))
    expect(isinstance(job, models.JobResponse), f"the answer is {job}")
with step("wait"):
    job = get_job.sync(job_id=job.id, client=client, prefer="wait=50")
    expect(job.status == models.JobStatus.SUCCEEDED, f"the job is {job.status}")
with step("fetch"):
    check_picture(get_image.sync(job_id=job.id, index=0, client=client).payload.read())
