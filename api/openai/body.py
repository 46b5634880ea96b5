"""Reads the bodies of OpenAI's generation and edit requests: JSON, or for edits also a multipart form.

The values of a form are text, so they are converted to the types of their fields.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import request
from typing_extensions import Buffer
from werkzeug.exceptions import UnsupportedMediaType

from api.bodies.documents import body_document, from_json
from api.bodies.incoming import content_of
from shared.errors import InvalidRequest
from shared.intake.fields import validated
from shared.intake.openai import EditRequest, GenerationRequest


@dataclass(frozen=True, slots=True)
class Pictures:
    """The condition images of an edit request.

    `files` has the file parts of a multipart form. `cut` has large base64 pictures of a JSON body, which were removed
    from the JSON before it was parsed. Its keys are the references that stand for them in the JSON.
    """

    files: Sequence[Buffer] = ()
    cut: Mapping[str, Buffer] = field(default_factory=dict)


_IMAGE_PARTS = ("image", "image[]")
_MEMBER = re.compile(r"(\w+)\[(\w[^\]]*)\]")  # a member of an object in a form, such as metadata[colour]=red
_ITEM = re.compile(r"(\w+)\[\]")


def read_generation() -> GenerationRequest:
    """Reads, validates and returns the body of a generation request.

    Raises `InvalidRequest`, and werkzeug's errors for the statuses 413 and 415.
    """
    if request.mimetype != "application/json":
        raise UnsupportedMediaType("send application/json")
    return validated(GenerationRequest, body_document().value)


def read_edit() -> tuple[EditRequest, Pictures]:
    """Reads the body of an edit request, and returns its fields and its condition images.

    Raises `InvalidRequest`, and werkzeug's errors for the statuses 413 and 415.
    """
    files: list[Buffer] = []
    cut: Mapping[str, Buffer] = {}
    match request.mimetype:
        case "application/json":
            document = body_document()
            asked = validated(EditRequest, document.value)
            cut = document.pictures_of(image.image_input for image in asked.images or ())
        case "multipart/form-data":
            asked = validated(EditRequest, _form_fields(), is_text=True)
            parts = request.files.items(multi=True)
            files = [content_of(file.stream) for name, file in parts if name in _IMAGE_PARTS]
        case _:
            raise UnsupportedMediaType("send application/json or multipart/form-data")
    if not asked.images and not files:
        raise InvalidRequest("an edit needs an image", "image" if request.files or request.form else "images")
    return asked, Pictures(files, cut)


def _form_fields() -> dict[str, Any]:
    """Returns the fields of the current request's form, without the image files.

    An empty value counts as left out, except for `prompt`. If a part that is not for images contains a file, the part
    counts as a field whose value is the filename.
    """
    fields: dict[str, Any] = {name: file.filename for name, file in request.files.items() if name not in _IMAGE_PARTS}
    for name, values in request.form.lists():
        if not name:
            raise InvalidRequest("a part of the form has no name")
        if name in _IMAGE_PARTS:
            raise InvalidRequest("send an image as a part with a filename", "image")
        if any("\ufffd" in value for value in values):  # werkzeug's replacement for bytes that are not UTF-8
            raise InvalidRequest(f"{name} is not UTF-8", name)
        if item := _ITEM.fullmatch(name):
            fields[item[1]] = values
        elif len(values) > 1:
            raise InvalidRequest(f"{name} is given {len(values)} times", name)
        elif member := _MEMBER.fullmatch(name):
            _put_member(fields, member[1], member[2], values[0])
        elif name == "metadata":
            fields[name] = from_json(values[0], name)
        elif values[0] or name == "prompt":
            fields[name] = values[0]
    return fields


def _put_member(fields: dict[str, Any], name: str, key: str, value: str) -> None:
    members = fields.setdefault(name, {})
    if not isinstance(members, dict):
        raise InvalidRequest(f"{name} is given both as a whole and by its members", name)
    members[key] = value
