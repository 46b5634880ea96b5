"""Data URLs in the spellings of browsers and programs, from the JSON to the decoded picture."""

import base64
import json
import textwrap
from collections.abc import Callable
from urllib.parse import quote

import pytest

from shared.errors import InvalidImage
from shared.images.decoding_task import decode
from shared.intake.data_urls import picture_of
from shared.intake.json_documents import read_document
from shared.intake.request import JobRequest
from tests.api.pictures import png

PICTURE = png(64, 80) + b"\xff\xfe\xfb\xef\xbe\xff\xf0"  # the bytes behind the picture make + and / and padding
BASE64 = base64.b64encode(PICTURE).decode()
LARGE = base64.b64encode(png(512, 512) + bytes(60_000)).decode()  # is cut out of the JSON

SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": lambda text: f"data:image/png;base64,{text}",
    "line breaks": lambda text: "data:image/png;base64," + "\r\n".join(textwrap.wrap(text, 76)) + "\n",
    "no padding": lambda text: f"data:image/png;base64,{text.rstrip('=')}",
    "URL-safe alphabet": lambda text: "data:image/png;base64," + text.translate(str.maketrans("+/", "-_")),
    "percent-encoding": lambda text: "data:image/png;base64," + quote(text, safe=""),
    "space around it": lambda text: f" \n data:image/png;base64, {text} \t",
    "space in the head": lambda text: f"data: image/png ; base64 ,{text}",
    "upper case": lambda text: f"DATA:IMAGE/PNG;BASE64,{text}",
    "a charset": lambda text: f"data:image/png;charset=utf-8;base64,{text}",
    "a name": lambda text: f"data:image/png;name=my%20kite.png;base64,{text}",
    "no media type": lambda text: f"data:;base64,{text}",
    "neither media type nor semicolon": lambda text: f"data:base64,{text}",
    "a wrong media type": lambda text: f"data:application/octet-stream;base64,{text}",
}


def decoded(url: str) -> dict[str, str]:
    """The response of the decoding task for a request's only image, read as the API reads it."""
    document = read_document(json.dumps({"prompt": "a", "images": [url]}).encode())
    request = JobRequest.model_validate(document.value)
    found = picture_of(request.images[0], "images[0]", document.pictures_of(request.images))
    return decode({"max_pixels": 1_000_000, "is_base64": found.is_base64}, bytes(found.data))[0]


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("text", [BASE64, LARGE], ids=["small", "large"])
def test_a_picture_is_found_in_every_spelling_of_a_data_url(spelling: str, text: str) -> None:
    assert decoded(SPELLINGS[spelling](text)) == {}


def test_a_data_url_without_base64_is_percent_encoded_bytes() -> None:
    assert decoded("data:image/png," + quote(PICTURE)) == {}


@pytest.mark.parametrize("text", ["***", "AAAAA", "iVBOR=w0KGgo", "AA AA é", "%zz", r"\x"])
def test_text_that_is_no_base64_is_called_so(text: str) -> None:
    assert "not valid base64" in decoded(f"data:image/png;base64,{text}")["refused"]


@pytest.mark.parametrize("url", ["", "data:image/png;base64", BASE64, "blob:https://example.com/1", "image.png"])
def test_what_is_no_data_url_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(InvalidImage, match="data:image/png;base64"):
        picture_of(url, "images[0]", {})


@pytest.mark.parametrize("head", [";base64,", ";BASE64,", "; base64 ,"])
def test_a_large_picture_is_cut_out_however_its_head_is_spelled(head: str) -> None:
    text = json.dumps({"images": [f"data:image/png{head}{'A' * 3_000_000}"]}).encode()
    assert len(read_document(text).cut) == 1
