"""Sends the requests of applications that no registry has as a client: Open WebUI, LibreChat, n8n, llama-index, Dify.

The bodies in `requests/` were written from the sources that they name. Answers must have what the application reads.
"""

import base64
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.clients.bench import Bench
from tests.clients.rows import Calls, Failed, Row, expect

_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF")
_MOST_CHARS = 300  # of a response that is an error


def application(bench: Bench, file: Path) -> Row:
    """Sends the requests of one file."""
    recorded, calls = json.loads(file.read_text()), Calls()
    with bench.http() as http:
        for request in recorded["requests"]:
            with calls.step(request["call"], request.get("cannot")):
                _check(request, _answer(http, request, bench.picture))
    return Row(recorded["application"], recorded["version"], calls.done, recorded["setting"])


def _answer(http: httpx.Client, request: dict[str, Any], picture: Path) -> Any:
    file = ("picture.png", picture.read_bytes(), "image/png")
    files = [(name, file) for name in request.get("files", ())]
    response = http.request(
        request.get("method", "POST"),
        request["path"],
        json=request.get("json"),
        data=request.get("form"),
        files=files or None,
    )
    if response.is_error:
        raise Failed(f"{response.status_code} {response.text[:_MOST_CHARS]}")
    return response.json()


def _check(request: dict[str, Any], answer: Any) -> None:
    for path in request["reads"]:
        value = _value(answer, path)
        expect(value is not None, f"the answer has no {path}")
        if path.endswith(".b64_json"):
            _check_picture(base64.b64decode(value))
        if path.endswith(".url"):
            _check_picture(httpx.get(value, follow_redirects=True, timeout=30).raise_for_status().content)
            path_of_link = urlsplit(value).path
            expect(path_of_link.endswith(request.get("ends_in", "")), f"the path of the link is {path_of_link}")
    for word in request.get("lists", ()):
        expect(any(word in model["id"] for model in answer["data"]), f"no model has {word} in its id")


def _value(answer: Any, path: str) -> Any:
    """Returns the value at a path such as `data.0.url`, or None if there is none."""
    for part in path.split("."):
        try:
            answer = answer[int(part) if part.isdigit() else part]
        except (KeyError, IndexError, TypeError):
            return None
    return answer


def _check_picture(data: bytes) -> None:
    expect(data.startswith(_MAGIC), f"no picture: {data[:60]!r}")


def _named(file: Path) -> Callable[[Bench], Row]:
    run = partial(application, file=file)
    run.__name__ = file.stem  # type: ignore[attr-defined]  # the name under which the command line knows the client
    return run


CLIENTS = tuple(_named(file) for file in sorted((Path(__file__).parent / "requests").glob("*.json")))
