"""Opens the Redis store for commands that need it even if the service is stopped."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cli.stack.lock import folder_lock
from cli.stack.ports import LOOPBACK
from cli.stack.secrets import secret
from cli.stack.servers.valkey import Valkey
from shared.errors import Misconfigured
from shared.settings.settings import Settings
from shared.store.core.connect import Client, connect

_PORT = re.compile(r"^port (\d+)$", re.MULTILINE)


@contextmanager
def open_store(settings: Settings) -> Iterator[Client]:
    """Yields a client of the Redis server that the settings name, or else of the embedded Valkey in the data folder.

    Starts this Valkey until the `with` block ends, unless `gridpress up` runs it now. Commands need the store before
    the service starts: the API may listen beyond loopback only if an API key exists. Raises `Misconfigured` and
    `StoreUnavailable`.
    """
    with ExitStack() as stack:
        client = connect(settings.redis_url or _url_of_folder(settings.data_dir.resolve(), stack))
        stack.callback(client.close)
        yield client


def _url_of_folder(data_dir: Path, stack: ExitStack) -> str:
    try:
        stack.enter_context(folder_lock(data_dir))
    except Misconfigured:
        url = url_of_running(data_dir)
        if url is None:
            raise
        return url
    server = Valkey(data_dir)
    stack.callback(server.stop)
    return server.start()


def url_of_running(data_dir: Path) -> str | None:
    """Returns the URL of the Valkey that `gridpress up` runs. Reads its port from its configuration file.

    Returns None if the file is missing or names no port.
    """
    try:
        port = _PORT.search((data_dir / Valkey.role / "valkey.conf").read_text())
    except OSError:
        return None
    return f"redis://:{secret(data_dir, 'valkey_password')}@{LOOPBACK}:{port[1]}/0" if port else None
