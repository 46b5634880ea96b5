"""Pictures are signed with the operator's certificate (C2PA). A certificate that can't sign is told at the start."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from PIL import Image
from structlog.testing import capture_logs

from shared.errors import Misconfigured, RenderFailed
from shared.ids import Revision
from shared.jobs.spec import OutputFormat, RenderSettings
from shared.process.starting import EXIT_MISCONFIGURED
from shared.settings.settings import Settings
from tests.fixtures.certificates import Authority, Key, new_key, write_chain, write_key
from tests.fixtures.labels import GENERATED, aigc_of, source_type_of
from tests.fixtures.pictures import photo_like
from tests.workers.dit.claims import make_claim
from tests.workers.dit.fakes import FakeLeases, FakeObjects
from workers.dit.pictures.decoded import Decoded
from workers.dit.pictures.encode import Encoded, Provenance, encode_picture
from workers.dit.pictures.labelling import Labelling
from workers.dit.pictures.publish import Publisher

needs_c2pa = pytest.mark.skipif(find_spec("c2pa") is None, reason="c2pa-python is not installed")
PICTURE = photo_like(96, 64, seed=0)
SIZES: dict[str, Callable[[], Key]] = {
    "P-256": new_key,
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
}


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.make()


def settings_for(authority: Authority, folder: Path, key: Key | None = None, **changes: Any) -> Settings:
    """Settings with the files of a new certificate. `changes` are those of `Authority.certify`."""
    key = key or new_key()
    cert_file = write_chain(folder / "chain.pem", authority.certify(key, **changes), authority.certificate)
    return Settings(c2pa_cert_file=cert_file, c2pa_key_file=write_key(folder / "key.pem", key))


def encoded(labelling: Labelling, output_format: OutputFormat = OutputFormat.PNG) -> Encoded:
    settings = RenderSettings(prompt="a cake", width_px=96, height_px=64, output_format=output_format)
    return encode_picture(PICTURE, settings, Provenance(7, "model", Revision("r1"), "0.1.0"), labelling)


def credentials_of(data: bytes, content_type: str) -> dict[str, Any]:
    """What the library reads of a signed picture."""
    import c2pa  # noqa: PLC0415

    with c2pa.Reader(content_type, BytesIO(data)) as reader:
        return dict(json.loads(reader.json()))


@needs_c2pa
@pytest.mark.parametrize("kind", SIZES)
@pytest.mark.parametrize("output_format", OutputFormat)
def test_a_signed_picture_says_who_made_it_and_is_else_the_same(
    authority: Authority, tmp_path: Path, output_format: OutputFormat, kind: str
) -> None:
    labelling = Labelling.of(settings_for(authority, tmp_path, SIZES[kind]()))
    plain, made = encoded(Labelling("Gridpress"), output_format), encoded(labelling, output_format)
    found = credentials_of(made.data, made.content_type)
    # The authority of this test is in no list of trusted ones; everything else is valid.
    assert [fault["code"] for fault in found["validation_status"]] == ["signingCredential.untrusted"]
    manifest = found["manifests"][found["active_manifest"]]
    assert manifest["signature_info"]["issuer"] == "Example Ltd"
    assert manifest["claim_generator_info"][0]["name"] == "Gridpress"
    [[action]] = [each["data"]["actions"] for each in manifest["assertions"] if "actions" in each["data"]]
    assert (action["action"], action["digitalSourceType"]) == ("c2pa.created", GENERATED)
    assert (source_type_of(made.data), aigc_of(made.data)) == (GENERATED, aigc_of(plain.data))
    with Image.open(BytesIO(plain.data)) as one, Image.open(BytesIO(made.data)) as other:
        assert one.tobytes() == other.tobytes()
    assert len(plain.data) < len(made.data) < len(plain.data) + 16_384


@needs_c2pa
def test_a_changed_picture_no_longer_fits_its_signature(authority: Authority, tmp_path: Path) -> None:
    made = encoded(Labelling.of(settings_for(authority, tmp_path)))
    data = bytearray(made.data)
    data[-30] ^= 1  # in the pixels
    codes = {fault["code"] for fault in credentials_of(bytes(data), made.content_type)["validation_status"]}
    assert "assertion.dataHash.mismatch" in codes


@needs_c2pa
def test_several_threads_sign_at_once(authority: Authority, tmp_path: Path) -> None:
    labelling = Labelling.of(settings_for(authority, tmp_path))
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: encoded(labelling), range(12)))
    for each in made:
        [fault] = credentials_of(each.data, each.content_type)["validation_status"]
        assert fault["code"] == "signingCredential.untrusted"


@needs_c2pa
def test_a_manifest_tells_which_certificate_signed(authority: Authority, tmp_path: Path) -> None:
    key = new_key()
    labelling = Labelling.of(settings_for(authority, tmp_path, key))
    objects, leases = FakeObjects(), FakeLeases()
    publisher = Publisher(objects, "model", labelling, {"gridpress": "0"})  # type: ignore[arg-type]
    publisher.write_of(leases, make_claim(), Decoded(photo_like(256, 256, seed=1), 1.0, 1.0))()  # type: ignore[arg-type]
    [picture] = leases.pictures
    manifest = json.loads(objects.kept[picture.manifest_key])
    assert labelling.signer
    assert manifest["label"]["signed_by"] == labelling.signer.fingerprint
    assert len(objects.kept[picture.key]) == picture.num_bytes
    assert hashes.SHA256().digest_size * 2 == len(labelling.signer.fingerprint)
    assert credentials_of(objects.kept[picture.key], picture.content_type)["active_manifest"]


@needs_c2pa
def test_a_picture_that_can_not_be_signed_fails_by_name(authority: Authority, tmp_path: Path) -> None:
    labelling = Labelling.of(settings_for(authority, tmp_path))
    assert labelling.signer
    with pytest.raises(RenderFailed, match="could not be signed") as caught:
        labelling.signer.signed(b"no picture", "image/png")
    assert caught.value.reason == "not_signed"


def test_without_a_certificate_nothing_is_signed_or_loaded() -> None:
    assert Labelling.of(Settings()).signer is None


def test_a_missing_file_is_named(authority: Authority, tmp_path: Path) -> None:
    good = settings_for(authority, tmp_path)
    none, folder, text = tmp_path / "none.pem", tmp_path, tmp_path / "text.pem"
    text.write_text("no PEM")
    sealed = write_key(tmp_path / "sealed.pem", new_key(), password=b"a secret")
    for changes, variable, why in (
        ({"c2pa_cert_file": None}, "CERT", "is missing"),
        ({"c2pa_key_file": None}, "KEY", "is missing"),
        ({"c2pa_cert_file": none}, "CERT", "none.pem can't be read: No such file"),
        ({"c2pa_key_file": none}, "KEY", "none.pem can't be read: No such file"),
        ({"c2pa_cert_file": folder}, "CERT", "can't be read: Is a directory"),
        ({"c2pa_cert_file": text}, "CERT", "text.pem has no certificate in PEM form"),
        ({"c2pa_cert_file": good.c2pa_key_file}, "CERT", "has no certificate in PEM form"),
        ({"c2pa_key_file": text}, "KEY", "text.pem has no private key in PEM form"),
        ({"c2pa_key_file": good.c2pa_cert_file}, "KEY", "has no private key in PEM form"),
        ({"c2pa_key_file": sealed}, "KEY", "sealed.pem is encrypted"),
        ({"c2pa_key_file": write_key(tmp_path / "b.pem", new_key())}, "KEY", "b.pem is not the key of"),
    ):
        with pytest.raises(Misconfigured, match=f"GRIDPRESS_C2PA_{variable}_FILE.*{why}"):
            Labelling.of(good.model_copy(update=changes))


def test_a_key_of_a_kind_that_c2pa_lacks_is_named(authority: Authority, tmp_path: Path) -> None:
    settings = settings_for(authority, tmp_path, ec.generate_private_key(ec.SECP256K1()))
    with pytest.raises(Misconfigured, match=r"key.pem is of a kind that C2PA does not have: use P-256"):
        Labelling.of(settings)


@needs_c2pa
@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"days": (-9, -1)}, "not valid at time of signing"),
        ({"days": (1, 9)}, "not valid at time of signing"),
        ({"usages": [ExtendedKeyUsageOID.SERVER_AUTH]}, "the certificate is invalid"),
    ],
)
def test_a_certificate_that_may_not_sign_is_refused(
    authority: Authority, tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    settings = settings_for(authority, tmp_path, **changes)
    with pytest.raises(Misconfigured, match=rf"GRIDPRESS_C2PA_CERT_FILE=.*chain.pem can't sign pictures: .*{why}"):
        Labelling.of(settings)


@needs_c2pa
@pytest.mark.parametrize(("days", "event"), [(20, "c2pa.certificate_expires_soon"), (90, "c2pa.certificate_read")])
def test_a_worker_tells_when_its_certificate_expires(
    authority: Authority, tmp_path: Path, days: int, event: str
) -> None:
    with capture_logs() as logs:
        Labelling.of(settings_for(authority, tmp_path, days=(-1, days)))
    [entry] = [each for each in logs if each["event"].startswith("c2pa.")]
    assert (entry["event"], entry["subject"]) == (event, "O=Example Ltd")
    left = datetime.fromisoformat(entry["until"]) - datetime.now(UTC)
    assert days - 1 <= left.days <= days


@needs_c2pa
def test_a_key_in_the_older_form_of_openssl_is_read(authority: Authority, tmp_path: Path) -> None:
    key = new_key()
    settings = settings_for(authority, tmp_path, key)
    write_key(tmp_path / "key.pem", key, is_pkcs8=False)
    assert b"EC PRIVATE KEY" in (tmp_path / "key.pem").read_bytes()
    assert credentials_of(encoded(Labelling.of(settings)).data, "image/png")["active_manifest"]


def test_a_missing_package_is_named(authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "c2pa", None)
    with pytest.raises(Misconfigured, match=r"c2pa is missing: pip install 'gridpress\[c2pa\]'"):
        Labelling.of(settings_for(authority, tmp_path))


def test_a_worker_with_a_wrong_certificate_does_not_start_and_says_why_in_one_line(tmp_path: Path) -> None:
    files = {f"GRIDPRESS_C2PA_{kind}_FILE": str(tmp_path / "none.pem") for kind in ("CERT", "KEY")}
    environment = {**os.environ, **files, "GRIDPRESS_MODEL": "simulate"}
    ended = subprocess.run(
        [sys.executable, "-m", "workers.dit"], env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == EXIT_MISCONFIGURED
    told = [line for line in ended.stderr.splitlines() if line.startswith("gridpress dit:")]
    why = f"GRIDPRESS_C2PA_CERT_FILE={tmp_path}/none.pem can't be read: No such file or directory"
    assert told == [f"gridpress dit: {why}"]
