"""Collects the names of the keys that change in the store, as the server itself reports them."""

from types import TracebackType
from typing import Any, Self, cast

import redis

from shared.errors import Misconfigured, StoreUnavailable
from shared.store.core.connect import Client, translated

PREFIX = "gridpress:"


class Changes:
    """Collects the names of changed keys in a `with` block. A change is a write, a deletion or an expiry.

    It uses the server's assistance for client-side caches (`CLIENT TRACKING` with `BCAST`), which managed servers offer
    too. The server sends the names on a connection of RESP 3, before it answers any later command on this connection.
    """

    def __init__(self, client: Client) -> None:
        """`client` must be a client of `connect_to_copy`."""
        self._client = client
        self._names: set[str] = set()
        self._is_flushed = False

    def __enter__(self) -> Self:
        """Begins to collect. Raises `StoreUnavailable`, and `Misconfigured` if the server refuses the command."""
        self._connection = cast("Any", self._client.connection_pool).make_connection()
        with translated():
            self._connection.connect()
        self._connection._parser.set_invalidation_push_handler(self._note)
        try:
            with translated():
                self._id = self._ask("CLIENT", "ID")
                self._ask("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", PREFIX)
        except redis.ResponseError as error:
            self._connection.disconnect()
            raise Misconfigured(f"a backup needs the command CLIENT TRACKING: {error}") from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._connection.disconnect()

    def take(self) -> set[str]:
        """Returns the names of all keys that changed before this call and since the last one.

        Raises `StoreUnavailable` if the connection was lost, since changes may have been missed, and if somebody
        emptied the store.
        """
        with translated():
            answering = self._ask("CLIENT", "ID")  # a connection that redis-py opened anew has another id
        if answering != self._id or self._is_flushed:
            what = "was emptied" if self._is_flushed else "closed a connection"
            raise StoreUnavailable(f"the job store {what} while it was copied: begin the backup again")
        found, self._names = self._names, set()
        return found

    def _ask(self, *command: str) -> Any:
        self._connection.send_command(*command, check_health=False)
        return self._connection.read_response()

    def _note(self, message: Any) -> None:
        names = message[1]
        if names is None:  # FLUSHDB or FLUSHALL
            self._is_flushed = True
            return
        self._names.update(_text(name) for name in names)


def _text(name: str | bytes) -> str:
    return name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else name
