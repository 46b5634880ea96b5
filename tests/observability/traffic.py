"""Bounded traffic that makes every metric move: all doors, webhooks that fail, a batch, refusals, held requests."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

_MOST_ROUNDS = 200
_PAUSE_S = 0.5
_BATCH_PAUSE_S = 3.0  # its command takes a second of CPU to start
_SMALL = {"size": "256x256", "num_inference_steps": 2}


class _Receiver(BaseHTTPRequestHandler):
    """Takes webhooks at /good. Anywhere else it fails, as a broken receiver or chat endpoint does."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"] or 0))
        self.send_response(200 if self.path == "/good" else 500)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@contextmanager
def receiver() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Receiver)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@contextmanager
def traffic(url: str, receiver_url: str, folder: Path) -> Iterator[None]:
    """Runs while the block runs, for at most a few hundred requests."""
    over = threading.Event()
    threads = [
        threading.Thread(target=_rounds, args=(url, receiver_url, over)),
        threading.Thread(target=_batches, args=(url, folder, over)),
        threading.Thread(target=_streams, args=(url, over)),
    ]
    for each in threads:
        each.start()
    yield
    over.set()
    for each in threads:
        each.join()


def _rounds(url: str, receiver_url: str, over: threading.Event) -> None:
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
        for number in range(_MOST_ROUNDS):
            with suppress(httpx.TransportError):
                _round(client, receiver_url, number)
            if over.wait(_PAUSE_S):
                return


def _round(client: httpx.Client, receiver_url: str, number: int) -> None:
    body = {"prompt": f"a fox, {number}", "seed": number, **_SMALL}
    client.post("/v1/jobs", json={**body, "webhook_url": f"{receiver_url}/good"})
    client.post("/v1/jobs", json={**body, "priority": "batch", "webhook_url": f"{receiver_url}/bad"})
    client.post("/v1/jobs", json={**body, "enhance_prompt": True})
    client.post("/v1/jobs", json={**body, "size": "1x1"})
    for _ in range(2):
        client.post("/v1/jobs", json=body, headers={"idempotency-key": f"key-{number}"})
    client.post("/v1/jobs", json=body, headers={"prefer": "wait=10"})
    client.post("/v1/images/generations", json={"prompt": "a fox", "size": "256x256"})


def _batches(url: str, folder: Path, over: threading.Event) -> None:
    """One batch after the other, by the command that people use."""
    file = folder / "prompts.jsonl"
    fields = {"width": 256, "height": 256, "num_inference_steps": 2}
    for number in range(_MOST_ROUNDS):
        lines = [{"prompt": f"a hare, {number} {line}", **fields} for line in range(4)]
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        command = [sys.executable, "-P", "-m", "cli.main", "batch", "run", str(file), "--url", url]
        subprocess.run([*command, "--out", str(folder / f"out-{number}")], capture_output=True, check=False, timeout=60)
        if over.wait(_BATCH_PAUSE_S):
            return


def _streams(url: str, over: threading.Event) -> None:
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
        for number in range(_MOST_ROUNDS):
            with suppress(httpx.TransportError, KeyError):
                job = client.post("/v1/jobs", json={"prompt": f"a stream, {number}", **_SMALL}).json()
                with client.stream("GET", f"/v1/jobs/{job['id']}/events") as events:
                    events.read()
            if over.wait(_PAUSE_S):
                return
