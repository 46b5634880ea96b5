"""Implements `gridpress up`: runs the whole service on this machine under a supervisor until a signal arrives."""

from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from cli.errors import Unavailable
from cli.options import FOLDER, data_hint, setting_option
from cli.service.running import supervisor_pid, write_address
from cli.stack.checkpoint import REAL_MODEL, default_model, pinned_commit
from cli.stack.gpus.choice import workers_on_gpus
from cli.stack.gpus.listing import list_gpus
from cli.stack.lock import folder_lock
from cli.stack.ports import is_free, reserve
from cli.stack.processes.loop import run
from cli.stack.processes.spawner import Spawner
from cli.stack.processes.supervised_role import Role
from cli.stack.processes.supervisor import Supervisor
from cli.stack.roles import WorkerCounts, address, share_of_cores, tiers
from cli.up.detached import arguments_again, run_detached
from cli.up.narrator import Narrator
from shared.addresses import is_loopback_host
from shared.egress.rules import LOOPBACK
from shared.errors import StoreUnavailable
from shared.settings.settings import Settings

if TYPE_CHECKING:
    from shared.store.access.keys import KeyStore
    from shared.store.core.ledger import LedgerStore
    from shared.store.queues.upkeep import UpkeepStore

_STORE_TIMEOUT_S = 1.0
_MODEL_HELP = f"Checkpoint folder or hub id, e.g. {REAL_MODEL}.  [default: demo, a small built-in model]"
_SHARE_HELP = "AR and DiT worker take turns on one GPU, for a GPU with memory for only one of them."
_METRICS_HELP = "Port for Prometheus metrics of all processes.  [default: none]"
_GPUS_HELP = "GPUs of the workers. Each gets a DiT worker; AR stands beside one of them.  [default: all]"
_AR_HELP = "Workers of the AR stage.  [default: 1; with GPUs, one for 30 DiT workers]"
_DIT_HELP = "Workers of the DiT stage.  [default: 1; with GPUs, one on each]"
_THREADS_HELP = "CPU threads of each AR and DiT worker.  [default: the cores, divided among them]"


@click.command()
@setting_option("--host", "host", help="Address to listen on; any but loopback needs an API key first.")
@setting_option("--port", "port", type=click.IntRange(1, 65535), help="Port of the API.")
@setting_option("--metrics-port", "metrics_port", type=click.IntRange(1, 65535), help=_METRICS_HELP)
@setting_option("--data", "data_dir", type=FOLDER, help="Folder for jobs, pictures, secrets and logs.")
@setting_option("--model", "model", metavar="DIR|ID", help=_MODEL_HELP)
@setting_option("--threads", "threads", type=click.IntRange(1), help=_THREADS_HELP)
@setting_option("--share-device", "share_device", is_flag=True, help=_SHARE_HELP)
@setting_option(
    "--served-model-name", "served_model_name", help="Name of the model in responses, whichever checkpoint is loaded."
)
@click.option("--gpus", metavar="all|0,1,...|none", help=_GPUS_HELP)
@click.option("--ar-workers", type=click.IntRange(0), help=_AR_HELP)
@click.option("--dit-workers", type=click.IntRange(0), help=_DIT_HELP)
@click.option("--detach", "-d", "is_detached", is_flag=True, help="Run in the background; return when it is ready.")
@click.pass_context
def up(
    context: click.Context,
    /,
    *,
    data_dir: Path,
    threads: int | None,
    gpus: str | None,
    ar_workers: int | None,
    dit_workers: int | None,
    is_detached: bool,
    **given: Any,
) -> None:
    """Start the service on this machine and keep it running.

    Starts the processes of the service and restarts each one that ends. The folder `run` in the data folder has their
    pid files and logs. Also starts a store (Valkey) and an object store (SeaweedFS), unless GRIDPRESS_REDIS_URL or
    GRIDPRESS_S3_ENDPOINT_URL name others. Ctrl-C stops everything in order; a second Ctrl-C kills everything at once.
    The next start finds all jobs and pictures again. With --detach, `gridpress stop` does the same as Ctrl-C.

    \b
    Examples:
      gridpress up
      gridpress up --detach
      gridpress up --model zai-org/GLM-Image --gpus all --data /var/lib/gridpress
    """
    settings = Settings(data_dir=data_dir.resolve(), **given)
    _check_address(settings)
    if is_detached:
        if pid := supervisor_pid(settings.data_dir):
            raise Unavailable(f"{settings.data_dir} is served already, by process {pid}")
        run_detached(arguments_again(context), settings.data_dir, address(settings))
        return
    workers = workers_on_gpus(gpus, settings, ar_workers, dit_workers, list_gpus)
    for line in workers.lines:
        click.echo(line, err=True)
    threads = threads or share_of_cores(workers.ar + workers.dit)
    counts = WorkerCounts(workers.ar, workers.dit, threads, workers.environment)
    with folder_lock(settings.data_dir):
        _serve(settings, counts)


def _check_address(settings: Settings) -> None:
    if not is_loopback_host(settings.host) and not _has_key(settings):
        raise click.UsageError(
            f"--host {settings.host} would open the API to the network, and there is no API key to protect it: "
            f"run `gridpress keys create{data_hint(settings.data_dir)}`, or use 127.0.0.1"
        )
    if not is_free(settings.port, settings.host):
        raise Unavailable(f"port {settings.port} is taken: name another one with --port")
    reserve(settings.port)
    if settings.metrics_port is not None:
        if settings.metrics_port == settings.port or not is_free(settings.metrics_port, settings.metrics_host):
            raise Unavailable(f"port {settings.metrics_port} is taken: name another one with --metrics-port")
        reserve(settings.metrics_port)


def _has_key(settings: Settings) -> bool:
    """Returns whether the store has an API key.

    A missing data folder has none. It is not opened, because that would create the folder.
    """
    from cli.stack.servers.store import open_store  # noqa: PLC0415 - the store's client takes half a second to import
    from shared.store.access.keys import KeyStore  # noqa: PLC0415

    if not settings.redis_url and not settings.data_dir.exists():
        return False
    with open_store(settings) as client:
        return KeyStore(client).has_any()


def while_open(settings: Settings) -> Settings:
    """Returns the settings, changed so that webhooks and image URLs may reach loopback until there is an API key.

    Changes nothing if the API listens beyond loopback, or if the setting `egress_allow_while_open` is given explicitly.
    """
    if not is_loopback_host(settings.host) or "egress_allow_while_open" in settings.model_fields_set:
        return settings
    return settings.model_copy(update={"egress_allow_while_open": LOOPBACK})


def open_note(settings: Settings, keys: "KeyStore") -> str | None:
    """Returns a warning about the access that is open until there is an API key, or None if there is no such access.

    Without an API key, every local user may call the API, and webhooks may reach this machine. Raises
    `StoreUnavailable`.
    """
    allowed = settings.egress_allow_while_open
    if not allowed or keys.has_any():
        return None
    return (
        "No API key yet: every user of this machine may call the API, and webhooks and image URLs may reach it "
        f"(GRIDPRESS_EGRESS_ALLOW_WHILE_OPEN={allowed}). The first API key ends both."
    )


def _serve(settings: Settings, counts: WorkerCounts) -> None:
    """Runs all roles under a supervisor until a signal arrives. The caller holds the lock of the data folder."""
    # The clients of the servers and of the store take half a second to import.
    from cli.stack.processes.dead_workers import DeadWorkerReporter  # noqa: PLC0415
    from cli.stack.servers.choice import with_servers  # noqa: PLC0415
    from shared.store.access.keys import KeyStore  # noqa: PLC0415
    from shared.store.core.connect import connect_with_timeout  # noqa: PLC0415
    from shared.store.core.ledger import LedgerStore  # noqa: PLC0415
    from shared.store.queues.upkeep import UpkeepStore  # noqa: PLC0415

    run_dir = settings.data_dir / "run"
    write_address(run_dir, address(settings))
    if not settings.model:
        settings = settings.model_copy(update={"model": default_model(settings.data_dir)})
    if settings.model_revision is None and (commit := pinned_commit(settings.model or "")):
        settings = settings.model_copy(update={"model_revision": commit})
    if "public_url" not in settings.model_fields_set:
        settings = settings.model_copy(update={"public_url": address(settings)})
    settings, servers = with_servers(while_open(settings))
    roles = tiers(settings, counts, servers)
    metrics_url = _serve_metrics(settings, roles)
    supervisor = Supervisor(roles, spawn=Spawner(servers, run_dir))
    assert settings.redis_url
    client = connect_with_timeout(settings.redis_url, _STORE_TIMEOUT_S)
    store, note = UpkeepStore(client), partial(open_note, settings, KeyStore(client))
    with (
        DeadWorkerReporter(run_dir, lambda worker_id: store.take_back(worker_id, settings.poison_strikes)) as reporter,
        Narrator(
            Console(stderr=True), run_dir, address(settings), settings.ready_file, note, metrics_url=metrics_url
        ) as narrator,
        _ledger(settings, LedgerStore(client)),
    ):
        run(supervisor, narrator, partial(_has_work, store), reporter.on_event)


def _serve_metrics(settings: Settings, roles: list[list[Role]]) -> str:
    """Serves the metrics of all roles on one page. Returns the URL of the page. Raises `Misconfigured`.

    Returns '' if the settings name no port for metrics.
    """
    from cli.stack.metrics import combined_page  # noqa: PLC0415 - not needed by a service without metrics
    from shared.metrics.exposition import PATH, listen, serve  # noqa: PLC0415

    host, port = settings.metrics_host, settings.metrics_port
    if port is None:
        return ""
    ports = {role.name: role.metrics_port for tier in roles for role in tier if role.metrics_port is not None}
    serve(listen(host, port), combined_page(ports))
    return f"http://[{host}]:{port}{PATH}" if ":" in host else f"http://{host}:{port}{PATH}"


def _ledger(settings: Settings, store: "LedgerStore") -> AbstractContextManager[object]:
    """Returns a context manager that looks for lost data of the embedded store.

    If the operator runs the store, the context manager does nothing.
    """
    from cli.stack.servers.ledger import Ledger, LedgerFile  # noqa: PLC0415

    if settings.store_dir is None:
        return nullcontext()
    return Ledger(LedgerFile(settings.store_dir), store, lambda loss: click.echo(loss, err=True))


def _has_work(store: "UpkeepStore") -> bool:
    """Returns whether the store has unfinished work.

    Returns True if the store is unreachable, because it may have unfinished work.
    """
    try:
        return store.has_work()
    except StoreUnavailable:
        return True
