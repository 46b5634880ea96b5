"""The examples of errors in the OpenAPI document say what real errors say."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.openapi.error_examples import ERRORS
from shared.errors import GridpressError

Json = dict[str, Any]
ROOT = Path(__file__).parents[3]
# Their constructors word these errors themselves, or code that the example calls does.
WORDED = {
    "ExceedsOwnKey",
    "KeyExists",
    "InvalidRequest",
    "TenantLimitReached",
    "MissingScope",
    "ModelNotServed",
    "JobNotRetryable",
    "StillRendering",
}
WORDED |= {"BatchEnded", "BatchNotRetryable", "BatchNotFinal", "ClientIdTaken", "PriorNotFound", "JobNotMade"}
WORDED |= {"TenantBeingErased", "ContentRejected"}


@cache
def sentences() -> dict[str, list[re.Pattern[str]]]:
    """The messages with which our code makes errors, as patterns, by the name of the error's class."""
    found = defaultdict(list)
    names = {error.__name__ for error in ERRORS}
    for file in (*ROOT.glob("api/**/*.py"), *ROOT.glob("shared/**/*.py")):
        text = file.read_text(encoding="utf-8")
        if file.name == "error_examples.py" or not any(f"{name}(" in text for name in names):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names and node.args:
                found[node.func.id] += patterns_of(node.args[0])
    return found


def patterns_of(message: ast.expr) -> Iterator[re.Pattern[str]]:
    """The pattern of a text; a value in it may be anything."""
    match message:
        case ast.Constant(value=str(text)):
            yield re.compile(re.escape(text))
        case ast.JoinedStr(values=parts) if any(isinstance(part, ast.Constant) for part in parts):
            yield re.compile("".join(re.escape(str(p.value)) if isinstance(p, ast.Constant) else ".+" for p in parts))


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_an_example_says_what_the_code_says(kind: type[GridpressError]) -> None:
    message = str(ERRORS[kind])
    if kind.__name__ in WORDED:
        assert message != kind.__doc__
        return
    assert any(pattern.fullmatch(message) for pattern in sentences()[kind.__name__]), message


@pytest.fixture
def document(http: FlaskClient) -> Json:
    return dict(http.get("/openapi.json").get_json())


def shown(document: Json, method: str, path: str, status: int, code: str) -> str:
    """The message of the example for a code at a route."""
    answer = document["paths"][path][method]["responses"][str(status)]
    answer = document["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    [media] = answer["content"].values()
    body = media["examples"][code]["value"]
    return str(body["detail"] if "detail" in body else body["error"]["message"])


def test_examples_are_what_comes_back(http: FlaskClient, document: Json) -> None:
    job = http.post("/v1/jobs", json={"prompt": "a red kite"}).get_json()["id"]
    none = "job_" + "0" * 26
    asked: list[tuple[str, str, str, Json]] = [
        ("get", "/v1/jobs/{job_id}", f"/v1/jobs/{none}", {}),
        ("delete", "/v1/jobs/{job_id}", f"/v1/jobs/{job}", {}),
        ("get", "/v1/jobs/{job_id}/images/{index}", f"/v1/jobs/{job}/images/0", {}),
        ("get", "/v1/jobs/{job_id}/images/{index}", f"/v1/jobs/{job}/images/7", {}),
        ("get", "/v1/batches/{batch_id}", "/v1/batches/batch_" + "0" * 26, {}),
        ("get", "/v1/files/{file_id}", "/v1/files/file-" + "0" * 26, {}),
        ("get", "/studio/{name}", "/studio/missing.js", {}),
        ("get", "/v1/webhook_endpoints/{endpoint_id}", "/v1/webhook_endpoints/ep_" + "0" * 26, {}),
        ("post", "/v1/jobs", "/v1/jobs", {"json": {"prompt": "a red kite", "n": 0}}),
        ("post", "/v1/images/generations", "/v1/images/generations", {"data": "a", "content_type": "text/plain"}),
        ("post", "/v1/images/generations", "/v1/images/generations", {"json": {"prompt": "a", "model": "sdxl"}}),
    ]
    for method, route, path, sent in asked:
        answer = http.open(path, method=method.upper(), **sent)
        told = answer.get_json()
        code, says = told.get("code") or told["error"]["code"], told.get("detail") or told["error"]["message"]
        example = shown(document, method, route, answer.status_code, code)
        assert plain(example) == plain(says), (route, code)


def plain(message: str) -> str:
    """The message without what differs between two requests: ids, numbers and states."""
    return re.sub(r"[a-z]+[_-][0-9a-z]{26}|\d+|(?<=it is )\w+", "#", message)
