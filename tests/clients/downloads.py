"""curl, wget and httpie: they submit a job, and they download pictures through links without an API key."""

import json
import shutil
from collections.abc import Sequence

from tests.clients.bench import Bench
from tests.clients.environments import version_of_command
from tests.clients.finished import JOB, PNG, link_of_picture
from tests.clients.rows import Call, Calls, Row, expect

_ABSENT = "not installed here"


def curl(bench: Bench) -> Row:
    if shutil.which("curl") is None:
        return Row("curl", "", (Call("all", _ABSENT, _ABSENT),))
    calls, link = Calls(), link_of_picture(bench)
    command = ("curl", "--silent", "--show-error", "--fail-with-body", "--max-time", "60")
    job = ("--header", f"Authorization: Bearer {bench.service.api_key}", "--header", "Prefer: wait=50")
    with calls.step("submit and wait"):
        answer = json.loads(bench.run((*command, *job, "--json", json.dumps(JOB), f"{bench.service.url}/v1/jobs")))
        expect(answer["status"] == "succeeded", f"the job is {answer['status']}")
    with calls.step("form with a file"):
        fields = ("--form", f"image=@{bench.picture};type=image/png", "--form", "prompt=blue", "--form", "size=256x256")
        answer = json.loads(bench.run((*command, *job, *fields, f"{bench.service.url}/v1/images/edits")))
        expect(answer["data"][0]["b64_json"], "no picture")
    with calls.step("compressed body"):
        answer = json.loads(bench.run((*command, *job, "--compressed", f"{bench.service.url}/v1/models")))
        expect(answer["data"], "no models")
    with calls.step("link"):
        _check(bench, (*command, "--location", "--output", "curl.png", link), "curl.png")
    with calls.step("link, -I"):
        bench.run((*command, "--location", "--head", link))
    with calls.step("link, range"):
        bench.run((*command, "--location", "--range", "0-7", "--output", "curl.part", link))
        expect((bench.folder / "curl.part").read_bytes() == PNG, "the range is not the first 8 bytes")
    with calls.step("link, resumed"):
        _check(bench, (*command, "--location", "--continue-at", "-", "--output", "curl.part", link), "curl.part")
    with calls.step("link, unchanged"):
        etag = ("--etag-save", "curl.etag")
        bench.run((*command, "--location", *etag, "--output", "curl.png", link))
        again = ("--etag-compare", "curl.etag", "--write-out", "%{http_code}", "--output", "curl.again")
        status = bench.run((*command, "--location", *again, link))
        expect(status == "304", f"the status is {status}")
    return Row("curl", version_of_command(("curl", "--version")), calls.done)


def wget(bench: Bench) -> Row:
    if shutil.which("wget") is None:
        return Row("wget", "", (Call("all", _ABSENT, _ABSENT),))
    calls, link = Calls(), link_of_picture(bench)
    command = ("wget", "--quiet", "--tries=1", "--timeout=60")
    key = f"--header=Authorization: Bearer {bench.service.api_key}"
    with calls.step("submit"):
        post = (key, "--header=Content-Type: application/json", f"--post-data={json.dumps(JOB)}", "--output-document=-")
        answer = json.loads(bench.run((*command, *post, f"{bench.service.url}/v1/jobs")))
        expect(answer["id"].startswith("job_"), f"the job is {answer}")
    with calls.step("link"):
        _check(bench, (*command, "--output-document=wget.png", link), "wget.png")
    with calls.step("link, --spider"):
        bench.run((*command, "--spider", link))
    with calls.step("link, resumed"):
        (bench.folder / "wget.part").write_bytes((bench.folder / "wget.png").read_bytes()[:50])
        _check(bench, (*command, "--continue", "--output-document=wget.part", link), "wget.part")
    return Row("wget", version_of_command(("wget", "--version")), calls.done)


def httpie(bench: Bench) -> Row:
    calls, link = Calls(), link_of_picture(bench)
    command = (
        bench.environments.program("tools", "http"),
        "--check-status",
        "--ignore-stdin",
        "--timeout=60",
        "--body",
    )
    key = f"Authorization:Bearer {bench.service.api_key}"
    with calls.step("submit and wait"):
        fields = ("prompt=a red kite", "size=256x256", "n:=1", "Prefer:wait=50", key)
        answer = json.loads(bench.run((*command, "POST", f"{bench.service.url}/v1/jobs", *fields)))
        expect(answer["status"] == "succeeded", f"the job is {answer['status']}")
    with calls.step("form with a file"):
        fields = (f"image@{bench.picture}", "prompt=blue", "size=256x256", key)
        answer = json.loads(bench.run((*command, "--form", f"{bench.service.url}/v1/images/edits", *fields)))
        expect(answer["data"][0]["b64_json"], "no picture")
    with calls.step("link"):
        _check(bench, (*command, "--follow", "--download", "--output=httpie.png", link), "httpie.png")
    with calls.step("link, HEAD"):
        bench.run((*command, "--follow", "HEAD", link))
    return Row("httpie", bench.environments.version("tools", "httpie"), calls.done)


def _check(bench: Bench, command: Sequence[str], name: str) -> None:
    bench.run(command)
    data = (bench.folder / name).read_bytes()
    expect(data.startswith(PNG) and len(data) > len(PNG), f"no picture: {data[:60]!r}")


CLIENTS = (curl, wget, httpie)
