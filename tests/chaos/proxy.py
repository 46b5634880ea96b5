"""A TCP proxy on loopback whose line can be cut or go dead. One thread a connection and direction."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

Address = tuple[str, int]
_CHUNK = 64 * 1024


class Proxy:
    """Passes bytes on to wherever `upstream` points when a connection comes."""

    def __init__(self, upstream: Callable[[], Address]) -> None:
        self._upstream = upstream
        self._flows = threading.Event()
        self._flows.set()
        self._lines: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.heal()
        self.cut()
        self._thread.join()

    def cut(self) -> None:
        """Every connection ends at once; new ones are taken."""
        with self._lock:
            for line in self._lines:
                with suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)

    def black_hole(self) -> None:
        """Nothing passes any more in either direction, and nobody is told."""
        self._flows.clear()

    def heal(self) -> None:
        """What was held back passes now, late."""
        self._flows.set()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        with near, suppress(OSError), socket.create_connection(self._upstream()) as far:
            with self._lock:
                self._lines |= {near, far}
            back = threading.Thread(target=self._pass_on, args=(far, near), daemon=True)
            back.start()
            self._pass_on(near, far)
            back.join()
            with self._lock:
                self._lines -= {near, far}

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                self._flows.wait()
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
