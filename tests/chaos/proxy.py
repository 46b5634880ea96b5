"""A TCP proxy whose line can be cut or fall silent, one way or both. One thread a connection and direction."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from tests.chaos.schedule import Way

Address = tuple[str, int]
_CHUNK = 64 * 1024


class Proxy:
    """Passes bytes on to wherever `connect` leads when a connection comes to `listener`."""

    def __init__(self, connect: Callable[[], socket.socket], listener: socket.socket | None = None) -> None:
        self._connect = connect
        self._gates = {way: threading.Event() for way in (Way.TO, Way.FROM)}
        self.pass_on()
        self._lines: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = listener or socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, name="proxy", daemon=True)

    @property
    def address(self) -> str:
        """HOST:PORT of the listener."""
        host, port = self._listener.getsockname()
        return f"{host}:{port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.pass_on()
        self.cut()
        self._thread.join()

    def cut(self) -> None:
        """Every connection ends at once; new ones are taken."""
        with self._lock:
            for line in self._lines:
                with suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)

    def drop(self, way: Way = Way.BOTH) -> None:
        """Nothing passes any more this way, every connection stays open and nobody is told."""
        for gate in self._gates_of(way):
            gate.clear()

    def pass_on(self, way: Way = Way.BOTH) -> None:
        """What was held back passes now, late."""
        for gate in self._gates_of(way):
            gate.set()

    def _gates_of(self, way: Way) -> list[threading.Event]:
        return list(self._gates.values()) if way is Way.BOTH else [self._gates[way]]

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with near, suppress(OSError), self._connect() as far:
            with self._lock:
                self._lines |= {near, far}
            back = threading.Thread(target=self._copy, args=(far, near, self._gates[Way.FROM]), daemon=True)
            back.start()
            self._copy(near, far, self._gates[Way.TO])
            back.join()
            with self._lock:
                self._lines -= {near, far}

    def _copy(self, source: socket.socket, target: socket.socket, gate: threading.Event) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                gate.wait()
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
