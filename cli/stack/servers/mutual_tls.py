"""Issues TLS certificates with which the parts of SeaweedFS authenticate each other. Other clients are rejected."""

import json
from pathlib import Path

import trustme

from cli.stack.ports import LOOPBACK
from cli.stack.secrets import write_private

_GRPC = ("master", "volume", "filer", "s3", "client")
_HTTPS = ("master", "volume", "filer")  # the S3 port has no TLS, because it requires signed requests


def write_security(folder: Path) -> None:
    """Writes new certificates and `security.toml`, SeaweedFS's TLS configuration, into `folder`.

    The private key of the certificate authority is never stored, so no other valid certificate can be issued.
    """
    authority = trustme.CA()
    issued = authority.issue_cert(LOOPBACK, common_name="gridpress")
    files = {
        "ca": (folder / "ca.pem", authority.cert_pem.bytes()),
        "cert": (folder / "cert.pem", b"".join(blob.bytes() for blob in issued.cert_chain_pems)),
        "key": (folder / "key.pem", issued.private_key_pem.bytes()),
    }
    for path, content in files.values():
        write_private(path, content.decode())
    write_private(folder / "security.toml", _security({name: path for name, (path, _) in files.items()}))


def _security(paths: dict[str, Path]) -> str:
    """Returns the text of SeaweedFS's TLS configuration, in TOML. Paths are JSON strings, which TOML accepts."""
    line = {name: f"{name} = {json.dumps(str(path), ensure_ascii=False)}" for name, path in paths.items()}
    own = (line["cert"], line["key"])
    sections: list[tuple[str, ...]] = [("[grpc]", line["ca"])]
    sections += [(f"[grpc.{part}]", *own) for part in _GRPC]
    sections += [("[https.client]", "enabled = true", *own, line["ca"])]
    sections += [(f"[https.{part}]", *own, line["ca"]) for part in _HTTPS]
    return "\n\n".join("\n".join(section) for section in sections) + "\n"
