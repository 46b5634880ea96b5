"""Implements `gridpress repair`: repairs the log of the embedded store and restores lost jobs from the object store."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.options import FOLDER, setting_option
from cli.stack.lock import folder_lock
from shared.errors import Misconfigured
from shared.settings.settings import Settings

if TYPE_CHECKING:
    from cli.stack.servers.valkey import Valkey
    from shared.objects.store import ObjectStore
    from shared.store.core.connect import Client


@click.command()
@setting_option("--data", "data_dir", type=FOLDER, help="Folder of the service's data.")
def repair(data_dir: Path) -> None:
    """Repair the embedded job store after `gridpress up` reported lost data or refused to start.

    The service must be stopped. Prints each change, and stores a copy of the store's log in the folder valkey/kept of
    the data folder. Restores ended jobs from their manifests in the object store. After the repair, /readyz no longer
    reports the loss.

    \b
    Example:
      gridpress repair --data /var/lib/gridpress
    """
    settings = Settings(data_dir=data_dir.resolve())
    if settings.redis_url:
        raise click.UsageError("GRIDPRESS_REDIS_URL names an external store: repair it with its own tools")
    if not settings.data_dir.exists():
        raise click.UsageError(f"{settings.data_dir} does not exist")
    with folder_lock(settings.data_dir), ExitStack() as stack:
        for line in _repaired(settings, stack):
            click.echo(line)


def _repaired(settings: Settings, stack: ExitStack) -> Iterator[str]:
    # The clients of the servers and of the store take half a second to import.
    from cli.stack.servers.choice import with_servers  # noqa: PLC0415
    from cli.stack.servers.ledger import LedgerFile, compare  # noqa: PLC0415
    from cli.stack.servers.valkey import Valkey  # noqa: PLC0415
    from shared.objects.store import ObjectStore  # noqa: PLC0415
    from shared.store.core.connect import connect  # noqa: PLC0415
    from shared.store.core.ledger import LedgerStore  # noqa: PLC0415

    settings, servers = with_servers(settings)
    valkey = next(server for server in servers if isinstance(server, Valkey))
    said = valkey.log.repair()
    yield from said or ["the job store's log is intact"]
    yield from _launched(valkey)
    stack.callback(valkey.stop)
    client = stack.enter_context(connect(settings.redis_url))
    ledger = LedgerStore(client)
    loss = compare(LedgerFile(valkey.folder), ledger) or ledger.loss()
    yield loss or "the job store has lost no data that is known of"
    for server in servers:
        if server is not valkey:
            server.launch()
            stack.callback(server.stop)
    yield from _restored(client, ObjectStore(settings), settings.retention_s)
    ledger.acknowledge()


def _launched(valkey: "Valkey") -> Iterator[str]:
    try:
        valkey.launch()
    except Misconfigured as error:
        yield str(error)
        yield valkey.log.start_anew()
        valkey.launch()


def _restored(client: "Client", objects: "ObjectStore", retention_s: int) -> Iterator[str]:
    from cli.backup.manifests import restore_jobs  # noqa: PLC0415
    from shared.store.core.opening import adopt_state  # noqa: PLC0415
    from shared.store.inputs.sweep import InputSweepStore  # noqa: PLC0415

    adopt_state(client)
    InputSweepStore(client).spare()
    found = restore_jobs(client, objects, retention_s)
    yield f"{found.num_restored} jobs that had ended were found again in the object store"
    if unreadable := found.unreadable:
        yield f"{len(unreadable)} more have a manifest of an earlier version; their pictures stay: {unreadable[0]}, ..."
