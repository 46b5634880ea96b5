"""Describes one request to the API, and how its response is read. Sends nothing."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import IO, Any, Generic, Self, TypeVar
from urllib.parse import quote
from uuid import uuid4

import httpx
from pydantic import BaseModel, ValidationError

from gridpress.client.errors import UnexpectedResponse

Result = TypeVar("Result")
Model = TypeVar("Model", bound=BaseModel)
Json = Mapping[str, Any]

_KEY_FIELD = "Idempotency-Key"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that a request uploads as a form, with the other fields of the form."""

    filename: str
    content: bytes | Path | IO[bytes]
    fields: Mapping[str, str]

    @contextmanager
    def opened(self) -> Iterator[IO[bytes]]:
        """Gives the file, to be read from its start, as each attempt does. Closes a file that is given by its path."""
        if isinstance(self.content, Path):
            with self.content.open("rb") as opened:
                yield opened
        else:
            file = BytesIO(self.content) if isinstance(self.content, bytes) else self.content
            file.seek(0)
            yield file


@dataclass(frozen=True, slots=True)
class Call(Generic[Result]):
    """One request. `read` converts a successful response to the result of the call.

    `path` begins with a slash, and its variable parts are escaped. The service may hold the response for `held_s`
    seconds.
    """

    method: str
    path: str
    read: Callable[[httpx.Response], Result]
    params: Mapping[str, Any] = field(default_factory=dict)
    body: object = None
    upload: Upload | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    held_s: float = 0.0

    def once(self, key: str | None = None) -> Self:
        """Returns the call with an idempotency key, if it is a POST: the given key, else a new one.

        The service acts only once on all requests with the same key, so the request may be sent again.
        """
        if self.method != "POST" or _KEY_FIELD in self.headers:
            return self
        text = (key or str(uuid4())).replace("\\", "\\\\").replace('"', '\\"')
        return replace(self, headers={**self.headers, _KEY_FIELD: f'"{text}"'})

    @contextmanager
    def arguments(self) -> Iterator[dict[str, Any]]:
        """Gives the keyword arguments of httpx's `request` for this call. They are valid until the block ends."""
        found: dict[str, Any] = {"params": dict(self.params) or None, "headers": dict(self.headers)}
        if self.upload:
            with self.upload.opened() as file:
                parts = {"file": (self.upload.filename, file, "application/octet-stream")}
                yield found | {"files": parts, "data": dict(self.upload.fields)}
        else:
            yield found | ({} if self.body is None else {"json": self.body})


def escaped(name: str) -> str:
    """Returns an id as one part of a URL's path, whatever characters it has."""
    return quote(name, safe="", errors="replace")


def as_model(model: type[Model]) -> Callable[[httpx.Response], Model]:
    """Returns a function that reads the JSON of a response as a model. It raises `UnexpectedResponse`."""

    def read(response: httpx.Response) -> Model:
        try:
            return model.model_validate_json(response.content)
        except ValidationError as error:
            raise _unexpected(response) from error

    return read


def as_json(response: httpx.Response) -> dict[str, Any]:
    """Returns the JSON object in a response. Raises `UnexpectedResponse`."""
    try:
        return dict(response.json())
    except (ValueError, TypeError) as error:
        raise _unexpected(response) from error


def as_json_lines(response: httpx.Response) -> list[dict[str, Any]]:
    """Returns the JSON objects in a response that has one on each line. Raises `UnexpectedResponse`."""
    try:
        return [dict(json.loads(line)) for line in response.content.splitlines()]
    except (ValueError, TypeError) as error:
        raise _unexpected(response) from error


def as_bytes(response: httpx.Response) -> bytes:
    """Returns the body of a response."""
    return response.content


def as_nothing(_: httpx.Response) -> None:
    """Ignores the body of a response."""


def _unexpected(response: httpx.Response) -> UnexpectedResponse:
    url = response.request.url.copy_with(path="/", query=None)
    return UnexpectedResponse(f"{str(url).rstrip('/')} does not answer like Gridpress: is it another service?")
