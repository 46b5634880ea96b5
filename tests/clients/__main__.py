"""`python -m tests.clients [NAME...]`: runs published clients against one service on loopback and prints a table."""

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from tests.clients import applications, celery_tools, downloads, generators, sdks, stores, table, webhooks
from tests.clients.bench import Bench
from tests.clients.environments import Environments
from tests.clients.rows import Call, Row
from tests.clients.service import service

# Each client is a function that takes the bench and returns a row. A module lists its own in CLIENTS.
_CLIENTS: Sequence[Callable[[Bench], Row]] = (
    *sdks.CLIENTS,
    *applications.CLIENTS,
    *webhooks.CLIENTS,
    *downloads.CLIENTS,
    *stores.CLIENTS,
    *celery_tools.CLIENTS,
    *generators.CLIENTS,
)


_NAMES = [client.__name__ for client in _CLIENTS]


@click.command(epilog=f"Names: {', '.join(_NAMES)}")
@click.argument("names", nargs=-1, type=click.Choice(_NAMES), metavar="[NAME]...")
@click.option("--write", is_flag=True, help="Write the table to docs/clients.md.")
def main(names: Sequence[str], write: bool) -> None:
    """Run all clients, or those with these names. Ends with status 1 if a call failed that should work."""
    chosen = [client for client in _CLIENTS if not names or client.__name__ in names]
    with tempfile.TemporaryDirectory(prefix="clients-") as folder, service(Path(folder) / "data") as running:
        files = Path(folder) / "files"
        files.mkdir()
        rows = [_row(client, Bench(running, Environments(), files)) for client in chosen]
    click.echo(table.markdown(rows))
    if write:
        table.write(rows, is_whole=not names)
    failed = table.failures(rows)
    click.echo("\n".join(failed), err=True)
    raise SystemExit(bool(failed))


def _row(client: Callable[[Bench], Row], bench: Bench) -> Row:
    """Runs one client. An error outside of its calls is a row of its own, so the other clients still run."""
    began = time.monotonic()
    try:
        row = client(bench)
    except Exception as error:
        row = Row(client.__name__, "", (Call("all", f"{type(error).__name__}: {error}"),))
    click.echo(f"{row.client}: {len(row.calls)} calls in {time.monotonic() - began:.0f} s", err=True)
    return row


if __name__ == "__main__":
    main()
