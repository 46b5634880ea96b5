"""Finds both stores for commands that need them whether the service runs or not."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from pydantic import SecretStr

from cli.stack.lock import folder_lock
from cli.stack.secrets import secret
from cli.stack.servers.choice import with_servers
from cli.stack.servers.seaweedfs import SeaweedFS
from cli.stack.servers.store import url_of_running
from shared.errors import Misconfigured
from shared.settings.settings import Settings


@contextmanager
def reached_servers(settings: Settings) -> Iterator[Settings]:
    """Yields the settings with the addresses of both stores.

    Embedded servers of the data folder are those that `gridpress up` runs, or else they are started until the `with`
    block ends. Raises `Misconfigured` if they can't be found or started.
    """
    if settings.redis_url and settings.s3_endpoint_url:
        yield settings
        return
    with ExitStack() as stack:
        try:
            stack.enter_context(folder_lock(settings.data_dir))
        except Misconfigured as error:
            yield _of_running(settings, error)
            return
        settings, servers = with_servers(settings)
        for server in servers:
            stack.callback(server.stop)
            server.launch()
        yield settings


def _of_running(settings: Settings, error: Misconfigured) -> Settings:
    """Returns the settings with the addresses of the servers that `gridpress up` runs. Raises `error` if a server has
    written no address.
    """
    found: dict[str, object] = {}
    if not settings.redis_url:
        found["redis_url"] = url_of_running(settings.data_dir)
    if not settings.s3_endpoint_url:
        given = settings.s3_secret_key
        found |= {
            "s3_endpoint_url": SeaweedFS.running_url(settings.data_dir),
            "s3_access_key": settings.s3_access_key or secret(settings.data_dir, "s3_access_key"),
            "s3_secret_key": given or SecretStr(secret(settings.data_dir, "s3_secret_key")),
        }
    if None in found.values():
        raise error
    return settings.model_copy(update=found)
