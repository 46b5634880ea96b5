"""Chooses the embedded servers to run: Valkey and SeaweedFS, unless the settings name another store or S3 server."""

from pydantic import SecretStr

from cli.stack.servers.embedded import Embedded
from cli.stack.servers.seaweedfs import SeaweedFS
from cli.stack.servers.valkey import Valkey
from shared.settings.settings import Settings


def with_servers(settings: Settings) -> tuple[Settings, list[Embedded]]:
    """Returns the settings and the embedded servers to run.

    The returned settings have the addresses and access keys of these servers.
    """
    servers: list[Embedded] = []
    found: dict[str, object] = {}
    if not settings.redis_url:
        valkey = Valkey(settings.data_dir)
        servers.append(valkey)
        found |= {"redis_url": valkey.url, "store_dir": valkey.folder}
    if not settings.s3_endpoint_url:
        seaweedfs = SeaweedFS(settings.data_dir, settings.s3_bucket, **_given_keys(settings))
        servers.append(seaweedfs)
        found |= _s3_settings(seaweedfs)
    return settings.model_copy(update=found), servers


def _s3_settings(server: SeaweedFS) -> dict[str, object]:
    return {
        "s3_endpoint_url": server.endpoint.url,
        "s3_access_key": server.endpoint.access_key,
        "s3_secret_key": SecretStr(server.endpoint.secret_key),
    }


def _given_keys(settings: Settings) -> dict[str, str]:
    """Returns the keys of the object store that the operator chose. The embedded object store then accepts these keys.

    Processes read a key that is in a file (`GRIDPRESS_S3_SECRET_KEY_FILE`) from that file, so it must be in use.
    """
    secret_key = settings.s3_secret_key
    return {
        "access_key": settings.s3_access_key or "",
        "secret_key": secret_key.get_secret_value() if secret_key else "",
    }
