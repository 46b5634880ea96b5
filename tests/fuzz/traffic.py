"""A valid request for every route of an API, with ids of what is there; and what comes back for any bytes."""

import json
import re
import socket
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any

import httpx

from tests.api.pictures import png
from tests.fuzz.mutations import Request

Json = dict[str, Any]

_TIMEOUT_S = 20
_MOST_BYTES = 256 * 1024
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
_ARGUMENT = re.compile(r"\{(\w+)\}")
_BOUNDARY = b"fuzz"


def things(http: httpx.Client) -> dict[str, str]:
    """One of everything that a route can name; the ids by the names of path parameters."""

    def post(path: str, **what: Any) -> Json:
        if file := what.get("data", {}).pop("file", None):
            what["files"] = {"file": (file[1], file[0].read())}
        return dict(http.post(path, **what).json())

    return things_of(post)


def things_of(post: Callable[..., Json]) -> dict[str, str]:
    """The same by `post`, which takes what a test client of Flask takes and answers the JSON."""
    job = post("/v1/jobs", json={"prompt": "a red kite"})["id"]
    endpoint = post("/v1/webhook_endpoints", json={"url": "https://hooks.example.com/"})["id"]
    file, picture = (
        post("/v1/files", data={"purpose": purpose, "file": (BytesIO(data), "a.jsonl")})["id"]
        for purpose, data in (("batch", b'{"custom_id": "a"}\n'), ("vision", png()))
    )
    asked = {"input_file_id": file, "endpoint": "/v1/jobs", "completion_window": "24h"}
    return {
        "job_id": job,
        "endpoint_id": endpoint,
        "file_id": file,
        "picture_id": picture,
        "batch_id": post("/v1/batches", json=asked)["id"],
        "message_id": post(f"/v1/webhook_endpoints/{endpoint}/test")["id"],
        "letter_id": f"{job}:0000",
        "line_job": job,
        "key_id": "x7k2m4qa",
        "file": "0123456789abcdef.png",
        "index": "0",
        "number": "0",
        "name": "openapi.js",
        "model_id": "zai-org/GLM-Image",
        "model": "glm-image",
        "tenant": "nobody",
        "kind": "stage",
        "worker_id": "dit-1",
    }


def requests_of(document: Mapping[str, Any], ids: Mapping[str, str], key: str, host: str) -> list[Request]:
    """For every operation of the OpenAPI document."""
    found = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            target = _ARGUMENT.sub(lambda match: ids[match[1]], path)
            found += _requests(method.upper(), target, operation, document, key, host)
    return found


def answered(port: int, data: bytes) -> list[int]:
    """The statuses of what came back; none where the connection just ended. The client closes its side at once."""
    with socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_S) as connection:
        received = b""
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while len(received) < _MOST_BYTES and (chunk := connection.recv(65536)):
                received += chunk
        except (ConnectionError, OSError):
            pass
    return [int(status) for status in _STATUS.findall(received)]


def _requests(
    method: str, target: str, operation: Json, document: Mapping[str, Any], key: str, host: str
) -> list[Request]:
    fields = (
        (b"Host", host.encode()),
        (b"Authorization", f"Bearer {key}".encode()),
        (b"Connection", b"close"),
    )
    bodies = _bodies(operation)
    if not bodies:
        return [Request(method.encode(), target.encode(), fields)]
    return [
        Request(method.encode(), target.encode(), (*fields, (b"Content-Type", kind)), body) for kind, body in bodies
    ]


def _bodies(operation: Json) -> list[tuple[bytes, bytes]]:
    found: list[tuple[bytes, bytes]] = []
    for kind, media in operation.get("requestBody", {}).get("content", {}).items():
        examples = [each["value"] for each in media.get("examples", {}).values()] or [{"prompt": "a"}]
        if kind == "application/json":
            found += [(kind.encode(), json.dumps(example).encode()) for example in examples]
        elif kind == "multipart/form-data":
            found.append((b"multipart/form-data; boundary=" + _BOUNDARY, _form()))
    return found


def _form() -> bytes:
    parts = [
        b'Content-Disposition: form-data; name="purpose"\r\n\r\nbatch',
        b'Content-Disposition: form-data; name="expires_after[anchor]"\r\n\r\ncreated_at',
        b'Content-Disposition: form-data; name="expires_after[seconds]"\r\n\r\n3600',
        b'Content-Disposition: form-data; name="prompt"\r\n\r\na',
        b'Content-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n{}',
    ]
    return b"".join(b"--" + _BOUNDARY + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + _BOUNDARY + b"--\r\n"
