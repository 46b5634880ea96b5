"""A running service labels, marks and signs pictures as its operator has set."""

import json
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import httpx
import pytest

from cli.client import Client
from cli.demo.service import service
from tests.fixtures.certificates import Authority, new_key, write_chain, write_key
from tests.fixtures.labels import aigc_of


@pytest.mark.skipif(find_spec("c2pa") is None, reason="c2pa-python is not installed")
def test_a_service_labels_marks_and_signs_as_its_operator_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import c2pa  # noqa: PLC0415

    authority, key = Authority.make(), new_key()
    chain = write_chain(tmp_path / "chain.pem", authority.certify(key), authority.certificate)
    monkeypatch.setenv("GRIDPRESS_C2PA_CERT_FILE", str(chain))
    monkeypatch.setenv("GRIDPRESS_C2PA_KEY_FILE", str(write_key(tmp_path / "key.pem", key)))
    monkeypatch.setenv("GRIDPRESS_LABEL_PRODUCER", "示例公司")
    monkeypatch.setenv("GRIDPRESS_MARK_TEXT", "AI made")
    asked = {"prompt": "a red kite", "size": "256x256", "num_inference_steps": 2, "visible_mark": True}
    with service(tmp_path / "data", "simulate:ar=0,dit=0") as url, Client(url) as client:
        job = client.submit(asked)
        *_, last = client.watch([job["id"]])
        [image] = last[job["id"]]["images"]
        data = httpx.get(image["url"], follow_redirects=True, trust_env=False).raise_for_status().content
    assert aigc_of(data)["ContentProducer"] == "示例公司"
    with c2pa.Reader("image/png", BytesIO(data)) as reader:
        found = json.loads(reader.json())
    assert found["manifests"][found["active_manifest"]]["signature_info"]["issuer"] == "Example Ltd"
    assert [fault["code"] for fault in found["validation_status"]] == ["signingCredential.untrusted"]
