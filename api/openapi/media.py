"""Describes bodies that are not JSON for the OpenAPI document: bytes, text, streams of events, files in forms."""

from api.openapi.operation import Json

# `format: binary` is OpenAPI 3.0's way to say bytes. Version 3.1 permits it, and it is the only way that generators of
# clients know.
FILE: Json = {"type": "string", "format": "binary"}
BYTES: Json = {"schema": FILE}
TEXT: Json = {"schema": {"type": "string"}}


def event_stream(name: str, example: str) -> dict[str, Json]:
    """Returns the description of a stream of Server-Sent Events, with an example. OpenAPI 3.1 can't describe the events
    themselves, so the stream is described as text.
    """
    schema = {
        "type": "string",
        "description": "Server-Sent Events, with an empty line after each",
    }
    return {"text/event-stream": {"schema": schema, "examples": {name: {"value": example}}}}
