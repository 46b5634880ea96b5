"""Issues certificates by which SeaweedFS's parts authenticate each other; other clients are refused at their ports."""

import json
from pathlib import Path

import trustme

from cli.stack.ports import LOOPBACK
from cli.stack.secrets import write_private

_GRPC = ("master", "volume", "filer", "s3", "client")
_HTTPS = ("master", "volume", "filer")  # the S3 port stays plain: it asks for signatures


def write_security(folder: Path) -> None:
    """Writes `security.toml`, SeaweedFS's configuration of TLS, and new certificates into `folder`.

    The authority's key is never stored, so nobody can issue another valid certificate.
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
    """Returns the configuration. Paths are quoted as in JSON, which TOML accepts."""
    line = {name: f"{name} = {json.dumps(str(path), ensure_ascii=False)}" for name, path in paths.items()}
    own = (line["cert"], line["key"])
    sections: list[tuple[str, ...]] = [("[grpc]", line["ca"])]
    sections += [(f"[grpc.{part}]", *own) for part in _GRPC]
    sections += [("[https.client]", "enabled = true", *own, line["ca"])]
    sections += [(f"[https.{part}]", *own, line["ca"]) for part in _HTTPS]
    return "\n\n".join("\n".join(section) for section in sections) + "\n"
