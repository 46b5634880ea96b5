"""Makes the finished jobs and the links that clients of downloads and of the object store need."""

from tests.clients.bench import Bench
from tests.clients.rows import Failed

PNG = b"\x89PNG\r\n\x1a\n"
JOB = {"prompt": "a red kite over the sea", "size": "256x256"}


def finished_job(bench: Bench) -> str:
    """Returns the id of a job whose picture is stored."""
    with bench.http() as http:
        job = http.post("/v1/jobs", json=JOB, headers={"prefer": "wait=50"}).raise_for_status().json()
    if job["status"] != "succeeded":
        raise Failed(f"the job is {job['status']}")
    return str(job["id"])


def link_of_picture(bench: Bench) -> str:
    """Returns the link to a finished picture that a response contains."""
    with bench.http() as http:
        answer = http.post("/v1/images/generations", json={**JOB, "response_format": "url"}).raise_for_status().json()
    return str(answer["data"][0]["url"])
