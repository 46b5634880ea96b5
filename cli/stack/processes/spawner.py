"""Starts the processes of roles. Before each start of an embedded server, checks the server's data."""

from collections.abc import Sequence
from pathlib import Path

import click

from cli.errors import Unavailable
from cli.stack.processes.child import Child
from cli.stack.processes.supervised_role import Role
from cli.stack.servers.embedded import Embedded


class Spawner:
    """Starts the processes of roles.

    Before it starts an embedded server, it checks the server's data. The check may print a message or raise an error.
    """

    def __init__(self, servers: Sequence[Embedded], run_dir: Path) -> None:
        """Checks the data of all embedded servers, before any process starts.

        Raises `Misconfigured` when a server's start could lose data, and `Unavailable` when the check is impossible
        now.
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
