"""Signs finished pictures with C2PA content credentials, by the package c2pa-python and the operator's certificate. It
refuses a certificate that can't sign, before the worker starts.
"""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import import_module
from io import BytesIO
from pathlib import Path
from threading import Lock
from types import ModuleType

import structlog
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from PIL import Image

from shared.errors import Misconfigured, RenderFailed
from shared.settings.settings import Settings

log = structlog.get_logger()

_CERT, _KEY = "GRIDPRESS_C2PA_CERT_FILE", "GRIDPRESS_C2PA_KEY_FILE"
_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
# A thumbnail of the picture inside of the picture would only make the file larger. The trial signature is verified.
_OF_LIBRARY = {"builder": {"thumbnail": {"enabled": False}}, "verify": {"verify_after_sign": False}}
_SOON = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class _Credentials:
    """A private key that fits the first of `certificates`, which are in the order of the chain."""

    certificates: list[x509.Certificate]
    key: PrivateKeyTypes = field(repr=False)
    algorithm: str


class PictureSigner:
    """Signs pictures as created by a trained model. It can be used by several threads."""

    def __init__(self, library: ModuleType, credentials: _Credentials, version: str) -> None:
        """`version` is the version of Gridpress, which the signature names as the software."""
        self._library = library
        self._lock = Lock()
        self._context = library.Context(library.Settings.from_dict(_OF_LIBRARY))
        self._claim = json.dumps({"claim_generator_info": [{"name": "Gridpress", "version": version}]})
        self.fingerprint: str = credentials.certificates[0].fingerprint(hashes.SHA256()).hex()
        """The SHA-256 of the certificate."""
        pem = serialization.Encoding.PEM
        chain = b"".join(each.public_bytes(pem) for each in credentials.certificates)
        key = credentials.key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        self._signer = library.Signer.from_info(library.C2paSignerInfo(credentials.algorithm, chain, key, None))

    def signed(self, data: bytes, content_type: str) -> bytes:
        """Returns the file of a picture with a signature. The pixels and the other metadata stay as they are.

        Two signatures of the same file differ, because each has an id of its own. Raises `RenderFailed`, for example
        when the certificate has expired.
        """
        try:
            return self._signed(data, content_type)
        except self._library.C2paError as error:
            raise RenderFailed("not_signed", f"the picture could not be signed: {_reason(error)}") from error

    def try_out(self) -> None:
        """Signs a small picture. Raises the library's `C2paError` if that fails."""
        file = BytesIO()
        Image.new("RGB", (8, 8)).save(file, "PNG")
        self._signed(file.getvalue(), "image/png")

    def _signed(self, data: bytes, content_type: str) -> bytes:
        library, file = self._library, BytesIO()
        with self._lock, library.Builder(self._claim, self._context) as builder:
            builder.set_intent(
                library.C2paBuilderIntent.CREATE, library.C2paDigitalSourceType.TRAINED_ALGORITHMIC_MEDIA
            )
            builder.sign(self._signer, content_type, BytesIO(data), file)
        return file.getvalue()


def open_signer(settings: Settings, version: str) -> PictureSigner | None:
    """Returns the signer of pictures; None if the operator has set no certificate. `version` is that of Gridpress.

    Raises `Misconfigured` if a file or the package is missing, or if certificate and key can't sign a picture.
    """
    cert_file, key_file = settings.c2pa_cert_file, settings.c2pa_key_file
    if cert_file is None and key_file is None:
        return None
    if cert_file is None or key_file is None:
        raise Misconfigured(f"{_CERT} and {_KEY} go together: {_KEY if cert_file else _CERT} is missing")
    credentials, library = _credentials(cert_file, key_file), _library()
    try:
        signer = PictureSigner(library, credentials, version)
        signer.try_out()
    except library.C2paError as error:
        raise Misconfigured(f"{_CERT}={cert_file} can't sign pictures: {_reason(error)}") from error
    _tell(credentials.certificates[0])
    return signer


def _credentials(cert_file: Path, key_file: Path) -> _Credentials:
    certificates, key = _certificates(cert_file), _key(key_file)
    if key.public_key() != certificates[0].public_key():
        raise Misconfigured(f"{_KEY}={key_file} is not the key of the first certificate in {_CERT}={cert_file}")
    return _Credentials(certificates, key, _algorithm(key, key_file))


def _certificates(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(_read(_CERT, path))
    except ValueError as error:
        raise Misconfigured(f"{_CERT}={path} has no certificate in PEM form") from error


def _key(path: Path) -> PrivateKeyTypes:
    data = _read(_KEY, path)
    try:
        return serialization.load_pem_private_key(data, password=None)
    except TypeError as error:
        raise Misconfigured(f"{_KEY}={path} is encrypted: a key without passphrase is needed") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Misconfigured(f"{_KEY}={path} has no private key in PEM form") from error


def _algorithm(key: PrivateKeyTypes, path: Path) -> str:
    """Returns the name of the signature algorithm of C2PA that fits the key."""
    match key:
        case ec.EllipticCurvePrivateKey() if key.curve.name in _CURVES:
            return _CURVES[key.curve.name]
        case rsa.RSAPrivateKey():
            return "ps256"
        case ed25519.Ed25519PrivateKey():
            return "ed25519"
    raise Misconfigured(f"{_KEY}={path} is of a kind that C2PA does not have: use P-256, P-384, P-521, RSA or Ed25519")


def _read(variable: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Misconfigured(f"{variable}={path} can't be read: {error.strerror}") from error


def _library() -> ModuleType:
    try:
        return import_module("c2pa")
    except ModuleNotFoundError as error:
        why = f"the package {error.name} is missing: pip install 'gridpress[c2pa]' installs it"
        raise Misconfigured(f"{_CERT} is set, but {why}") from error
    except (ImportError, OSError, RuntimeError) as error:  # its compiled part needs another system
        raise Misconfigured(f"{_CERT} is set, but c2pa-python can't be loaded: {error}") from error


def _reason(error: Exception) -> str:
    """Returns the library's message without the name of its kind, which begins it."""
    return str(error).removeprefix("Signature: ")


def _tell(certificate: x509.Certificate) -> None:
    until = certificate.not_valid_after_utc
    facts = {"subject": certificate.subject.rfc4514_string(), "until": until.isoformat()}
    if until < datetime.now(UTC) + _SOON:
        log.warning("c2pa.certificate_expires_soon", **facts)
    else:
        log.info("c2pa.certificate_read", **facts)
