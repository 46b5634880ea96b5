"""A client that openapi-python-client generates from the document, as a stranger would use it."""

import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
import yaml
from openapi_python_client import generate
from openapi_python_client.config import Config, ConfigFile, MetaType

from api.services import Services
from shared.store.core.connect import Client
from shared.store.renders.leases import LeaseStore
from tests.api.conftest import with_settings
from tests.api.pictures import png
from tests.api.rendering import render_next
from tests.fixtures.documents import openapi_document
from tests.shared.store.builders import RULES

PACKAGE = "client_of_gridpress"
GUIDE = Path(__file__).parents[3] / "docs" / "http.md"


def config_in_the_guide() -> dict[str, Any]:
    """What the section about generated clients tells to put into the file."""
    [block] = re.findall(r"(?m)^    content_type_overrides:\n(?: {6}.+\n)+", GUIDE.read_text())
    return yaml.safe_load(block)


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[object]]:
    """Generates the client, makes it importable, and gives what the generator left out or could not read."""
    folder = tmp_path_factory.mktemp("generated")
    (folder / "openapi.json").write_text(openapi_document())
    asked = ConfigFile(post_hooks=[], **config_in_the_guide())
    config = Config.from_sources(asked, MetaType.NONE, folder / "openapi.json", "utf-8", False, folder / PACKAGE)
    found = list(generate(config=config))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield found
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


@pytest.fixture
def caller(house: Services, complaints: list[object]) -> Any:
    transport = httpx.WSGITransport(app=with_settings(house, s3_links="streamed").application)
    return module("client").Client(base_url="http://127.0.0.1:8000", httpx_args={"transport": transport})


def module(name: str) -> ModuleType:
    return import_module(f"{PACKAGE}.{name}")


def test_the_generator_leaves_nothing_out(complaints: list[object]) -> None:
    assert complaints == []


def test_it_submits_waits_and_fetches(caller: Any, house: Services, client: Client) -> None:
    models, data = module("models"), png()
    request = models.JobRequest(prompt="a lemon tart", metadata=models.JobRequestMetadata.from_dict({"order": "1"}))
    job = module("api.jobs.create_job").sync(client=caller, body=request)
    assert job.status == models.JobStatus.QUEUED
    render_next(house, LeaseStore(client, RULES), data)
    job = module("api.jobs.get_job").sync(job_id=job.id, client=caller, prefer="wait=10")
    assert (job.status, job.metadata["order"]) == (models.JobStatus.SUCCEEDED, "1")
    assert module("api.pictures.get_image").sync(job_id=job.id, index=0, client=caller).payload.read() == data


def test_what_it_does_not_set_is_not_sent(caller: Any) -> None:
    models = module("models")
    assert models.JobRequest(prompt="a").to_dict() == {"prompt": "a"}
    request = models.EndpointRequest(url="https://shop.example.com/", payload=models.PayloadStyle.THIN)
    made = module("api.webhooks.create_webhook_endpoint").sync(client=caller, body=request)
    change = models.EndpointPatch(description="the shop's")
    changed = module("api.webhooks.update_webhook_endpoint").sync(made.id, client=caller, body=change)
    assert (changed.description, changed.payload) == ("the shop's", models.PayloadStyle.THIN)


def test_it_uploads_files(caller: Any) -> None:
    models, types = module("models"), module("types")
    picture = types.File(payload=png(), file_name="a.png", mime_type="image/png")
    body = models.CreateFileBody(file=picture, purpose=models.CreateFileBodyPurpose.VISION)
    stored = module("api.files.create_file").sync(client=caller, body=body)
    assert (stored.purpose, stored.bytes_) == (models.Purpose.VISION, len(png()))


def test_a_refusal_is_a_problem(caller: Any) -> None:
    models = module("models")
    problem = module("api.jobs.create_job").sync(client=caller, body=models.JobRequest(prompt=" "))
    assert (problem.status, problem.field) == (400, "prompt")
