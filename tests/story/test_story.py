"""One grep tells a picture's story: from the request to the webhook, in every role."""

import os
import signal
import socket
import struct

import pytest

from tests.story.conftest import WEBHOOK_SECRET, House, Json, wait_until
from tests.workers.batches.shop import some_lines

PICTURE = [
    ("api", "job.accepted"),
    ("api", "http.request"),
    ("ar", "render.claimed"),
    ("ar", "render.finished"),
    ("dit", "render.claimed"),
    ("dit", "render.finished"),
    ("delivery", "webhook.attempted"),
    ("delivery", "manifest.written"),
]


def line_of(house: House, **ids: str) -> Json:
    """The only line with these ids, which is written after the response."""
    wait_until(lambda: bool(house.story(**ids)))
    (line,) = house.story(**ids)
    return line


def test_one_grep_for_the_request_id_tells_the_whole_story(house: House) -> None:
    job = house.submit({"x-request-id": "shop-4711"}, webhook_url=house.receiver.url)
    wait_until(lambda: len(house.story(request_id="shop-4711")) == len(PICTURE))
    story = house.story(request_id="shop-4711")
    assert sorted((line["role"], line["event"]) for line in story) == sorted(PICTURE)
    assert all(line["job_id"] == job["id"] for line in story), story
    by_event = {(line["role"], line["event"]): line for line in story}
    asked, ar, dit = (
        by_event["api", "http.request"],
        by_event["ar", "render.finished"],
        by_event["dit", "render.finished"],
    )
    assert (asked["method"], asked["route"], asked["status"], asked["tenant"]) == ("POST", "/v1/jobs", 202, "acme")
    assert asked["bytes"] > 0
    assert asked["ms"] > 0
    assert (ar["stage"], ar["outcome"], ar["size"], ar["attempt"]) == ("ar", "succeeded", "256x256", 1)
    assert (dit["stage"], dit["steps"]) == ("dit", 7)
    assert dit["seconds"] >= dit["slot_s"] >= 0.3
    assert ar["waited_s"] >= 0
    assert dit["stored"].startswith(f"jobs/{job['id']}/0000/")
    assert by_event["ar", "render.claimed"]["worker_id"] == ar["worker_id"]
    told = by_event["delivery", "webhook.attempted"]
    assert (told["outcome"], told["status"], told["type"]) == ("delivered", 200, "job.succeeded")


def test_the_enhancement_of_a_prompt_and_a_second_rendering_are_part_of_it(house: House) -> None:
    job = house.submit({"x-request-id": "enhanced-1"}, enhance_prompt=True)
    wait_until(lambda: bool(house.story(job_id=job["id"], event="manifest.written")))
    events = [line["event"] for line in house.story(request_id="enhanced-1", job_id=job["id"])]
    assert events.count("enhancement.done") == 1
    assert events.count("render.finished") == 2
    again = house.ask("POST", "/v1/jobs", {"x-request-id": "again-1"}, json={"prior": {"job_id": job["id"]}}).json()
    wait_until(lambda: bool(house.story(job_id=again["id"], event="manifest.written")))
    events = [line["event"] for line in house.story(request_id="again-1", job_id=again["id"])]
    assert events.count("render.finished") == 1, "the DiT alone"


def test_who_cancels_and_retries_a_job_is_named(house: House) -> None:
    job = house.submit({"x-request-id": "cancelled-1"}, num_inference_steps=50)
    path = f"/v1/jobs/{job['id']}"
    assert house.ask("POST", f"{path}/cancel", {"x-request-id": "cancel-1"}).json()["status"] == "cancelled"
    assert line_of(house, request_id="cancel-1")["job_id"] == job["id"]
    assert house.ask("POST", f"{path}/retry", {"x-request-id": "retry-1"}).status_code == 202
    wait_until(
        lambda: bool(house.story(request_id="retry-1", event="render.finished", outcome="succeeded", stage="dit"))
    )
    assert house.story(request_id="retry-1", event="job.retried")
    assert house.story(request_id="cancelled-1", job_id=job["id"], event="job.accepted")


def test_a_worker_that_is_killed_leaves_its_part_of_the_story(house: House) -> None:
    job = house.submit({"x-request-id": "killed-1"})

    def claims() -> int:
        found = house.story(request_id="killed-1", event="render.claimed", stage="dit")
        return len(found)

    wait_until(lambda: claims() == 1)
    os.kill(house.pid("dit-0"), signal.SIGKILL)
    wait_until(lambda: bool(house.story(job_id=job["id"], event="render.finished", stage="dit")))
    (lost,) = house.story(request_id="killed-1", event="render.lost")
    (first, second) = house.story(request_id="killed-1", event="render.claimed", stage="dit")
    assert (lost["worker_id"], lost["attempt"]) == (first["worker_id"], 1)
    assert (second["attempt"], second["worker_id"] != first["worker_id"]) == (2, True)


def test_the_lines_of_a_batch_name_its_request(house: House) -> None:
    files = {"file": ("in.jsonl", some_lines(3, size="256x256")), "purpose": (None, "batch")}
    file = house.ask("POST", "/v1/files", files=files).json()
    asked = {"input_file_id": file["id"], "endpoint": "/v1/jobs", "completion_window": "24h"}
    asked |= {"webhook_url": house.receiver.url, "webhook_events": ["batch.completed"]}
    batch = house.ask("POST", "/v1/batches", {"x-request-id": "batch-1"}, json=asked).json()
    wait_until(lambda: bool(house.story(batch_id=batch["id"], event="webhook.attempted")))
    story = house.story(request_id="batch-1")
    accepted = [line for line in story if line["event"] == "job.accepted"]
    assert [line["line"] for line in accepted] == [1, 2, 3]
    for line in accepted:
        of_job = [each["event"] for each in story if each.get("job_id") == line["job_id"]]
        assert of_job.count("render.finished") == 2, of_job
    assert {"batch.accepted", "batch.collected", "batch.finished", "webhook.attempted"} <= {
        line["event"] for line in story
    }


@pytest.mark.parametrize("sent", ["", "two words", "x" * 129, "a,b", "<script>", 'say"', "-dash"])
def test_an_ill_formed_id_is_replaced(house: House, sent: str) -> None:
    answer = house.ask("GET", "/v1/jobs", {"x-request-id": sent})
    assert answer.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize("sent", ["f7e2b8a0-9c1d-4e43-8b0f-0d0c4a6d9a11", "1:a/b+c=@d~._-", "x" * 128])
def test_a_well_formed_id_is_used(house: House, sent: str) -> None:
    assert house.ask("GET", "/v1/jobs", {"x-request-id": sent}).headers["x-request-id"] == sent
    line = line_of(house, request_id=sent)
    assert (line["event"], line["route"]) == ("http.request", "/v1/jobs")


def raw(house: House, data: bytes) -> bytes:
    host, _, port = house.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(data)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        return answer


def test_a_request_that_reaches_no_route_has_a_line(house: House) -> None:
    head = b"GET /v1/jobs?key=MARKQUERY HTTP/1.1\r\nHost: a b\r\nx-request-id: refused-1\r\n\r\n"
    assert raw(house, head).startswith(b"HTTP/1.1 400")
    line = line_of(house, request_id="refused-1")
    assert (line["event"], line["method"], line["route"], line["status"]) == ("http.request", "GET", None, 400)
    assert line["code"] == "bad_request"


def test_a_client_that_leaves_before_the_end_is_told_of(house: House) -> None:
    """The stream's next event, which comes after it has left, reaches nobody."""
    job = house.submit()
    host, _, port = house.url.removeprefix("http://").partition(":")
    fields = f"Host: {host}:{port}\r\nAuthorization: Bearer {house.key}\r\nx-request-id: left-1\r\n"
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # so that it is reset
        connection.sendall(f"GET /v1/jobs/{job['id']}/events HTTP/1.1\r\n{fields}\r\n".encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    line = line_of(house, request_id="left-1")
    assert (line["route"], line["status"], line["is_cut_off"]) == ("/v1/jobs/<job_id>/events", 200, True)


def test_probes_leave_no_line_while_they_succeed(house: House) -> None:
    for path in ("/healthz", "/readyz"):
        assert house.ask("GET", path, {"x-request-id": "probe-1"}).status_code == 200
    assert house.ask("DELETE", "/healthz", {"x-request-id": "probe-2"}).status_code == 405
    assert line_of(house, request_id="probe-2", event="http.request")["route"] is None
    assert house.story(request_id="probe-1") == []


def test_no_line_of_any_role_holds_a_prompt_or_a_secret(house: House) -> None:
    job = house.submit(
        {"x-request-id": "secret-1"},
        prompt="a zebra called MARKPROMPT",
        enhance_prompt=True,
        webhook_url=f"{house.receiver.url}&token=MARKURL",
        webhook_secret="whsec_" + "TUFSS09XTlNFQ1JFVE1BUktPV05TRUNSRVRNQVJL",
        metadata={"note": "MARKMETA"},
    )
    house.receiver.statuses.append(500)
    failing = house.submit({"x-request-id": "secret-2"}, prompt="[simulate raise in dit] MARKPROMPT")
    house.ask("GET", "/v1/jobs?prompt=MARKQUERY")
    house.ask("POST", "/v1/jobs", json={"prompt": ["MARKPROMPT"], "MARKFIELD": 1})
    house.ask("GET", "/v1/jobs", {"Authorization": "Bearer gp_MARKKEY"})
    wait_until(lambda: bool(house.story(job_id=job["id"], event="webhook.attempted")))
    wait_until(lambda: bool(house.story(job_id=failing["id"], event="render.finished", stage="dit")))
    secrets = [file.read_text() for file in house.folder.glob("secrets/*") if file.is_file()]
    marks = [
        "MARKPROMPT",
        "MARKURL",
        "MARKMETA",
        "MARKQUERY",
        "MARKFIELD",
        "MARKKEY",
        "order=17",
        "MARKHILL",
        "MARKCHATKEY",
    ]
    marks += [house.key, WEBHOOK_SECRET.removeprefix("whsec_"), "TUFSS09XTlNFQ1JFVE1BUk", *secrets]
    assert len(secrets) >= 2
    logs = {file.name: file.read_text() for file in house.folder.glob("run/*.log*")}
    assert {"api-0.log", "ar-0.log", "dit-0.log", "delivery-0.log", "batch-0.log", "upkeep-0.log"} <= set(logs)
    found = [(name, mark) for name, text in logs.items() for mark in marks if mark in text]
    assert found == []


def test_every_line_of_every_role_of_ours_is_an_event(house: House) -> None:
    for role in ("api", "ar", "dit", "delivery", "enhance", "batch", "upkeep"):
        lines = (house.folder / "run" / f"{role}-0.log").read_text().splitlines()
        assert lines
        assert [line for line in lines if not line.startswith("{")] == []
