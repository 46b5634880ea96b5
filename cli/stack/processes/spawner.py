"""Starts the processes of roles. Checks the data of an embedded server before each of its starts."""

from collections.abc import Sequence
from pathlib import Path

import click

from cli.errors import Unavailable
from cli.stack.processes.child import Child
from cli.stack.processes.slot import Role
from cli.stack.servers.embedded import Embedded


class Spawner:
    """Starts roles. The check before a server's start may return a message or raise."""

    def __init__(self, servers: Sequence[Embedded], run_dir: Path) -> None:
        """Checks all servers. Raises `Misconfigured` when a start would do harm, and `Unavailable` when a check is
        impossible now; then nothing is started.
        """
        self._run_dir = run_dir
        for server in servers:
            try:
                _prepare(server)
            except OSError as error:
                raise Unavailable(f"{server.role}'s data can't be checked: {error}") from error
        self._servers = {f"{server.role}-0": server for server in servers}
        self._prepared = set(self._servers)

    def __call__(self, role: Role) -> Child:
        if role.name in self._prepared:
            self._prepared.discard(role.name)
        elif role.name in self._servers:
            _prepare(self._servers[role.name])
        return Child(role.name, role.command, self._run_dir)


def _prepare(server: Embedded) -> None:
    if note := server.prepare():
        click.echo(note, err=True)
