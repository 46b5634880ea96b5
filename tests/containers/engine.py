"""A Docker engine from Debian's packages: builds on this machine's network, runs in a namespace."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

NAMESPACE = "gridpress-docker"
HERE, THERE = "10.213.0.1", "10.213.0.2"  # the two ends of the link into the namespace
_PACKAGES = ("docker.io", "containerd", "runc", "libnftables1")
_START_S = 60.0
_LIMITS = ("--default-ulimit", "nofile=20000:20000", "--default-ulimit", "nproc=4096:4096")
_NO_NETWORK = ("--bridge=none", "--iptables=false", "--ip6tables=false")


def missing() -> str | None:
    """Returns what this machine lacks for a container engine, in one line; None if it lacks nothing."""
    if os.geteuid() != 0:
        return "needs root: an engine makes namespaces, mounts and bridges"
    tools = ("apt-get", "dpkg", "mmdebstrap", "iptables", "ip", "nsenter")
    if lacking := [tool for tool in tools if shutil.which(tool) is None]:
        return f"needs {', '.join(lacking)}: apt-get install mmdebstrap iptables iproute2 util-linux"
    return None


@dataclass
class Engine:
    """Programs and data lie in `folder`, which later runs use again."""

    folder: Path
    _process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """Of every program that talks to the engine."""
        programs = self.folder / "root" / "usr"
        path = f"{programs}/bin:{programs}/sbin:{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "DOCKER_HOST": f"unix://{self._socket}", "DOCKER_BUILDKIT": "1"}

    @property
    def _socket(self) -> Path:
        return self.folder / "docker.sock"

    def unpack(self) -> None:
        """Fetches the packages and unpacks them, without installing a service on this machine."""
        if (self.folder / "root" / "usr" / "sbin" / "dockerd").exists():
            return
        packages = self.folder / "packages"
        packages.mkdir(parents=True, exist_ok=True)
        run(("apt-get", "download", *_PACKAGES), cwd=packages)
        for package in packages.glob("*.deb"):
            run(("dpkg", "-x", str(package), str(self.folder / "root")))

    @contextmanager
    def building(self) -> Iterator[None]:
        """Runs it so that builds reach the network."""
        process = self._start((), _NO_NETWORK)
        try:
            yield
        finally:
            _stop(process)

    def start(self) -> None:
        """Starts it in the namespace, where it may have bridges and rules of its own."""
        self._process = self._start(("nsenter", f"--net=/run/netns/{NAMESPACE}"), ())

    def stop(self) -> None:
        """All containers end with it."""
        assert self._process
        _stop(self._process)

    def _start(self, prefix: Sequence[str], options: Sequence[str]) -> subprocess.Popen[bytes]:
        folder = self.folder
        places = ("--data-root", folder / "data", "--exec-root", folder / "exec", "--pidfile", folder / "pid")
        argv = ("dockerd", *map(str, places), "-H", f"unix://{self._socket}", "--storage-driver", "overlay2")
        with (folder / "engine.log").open("ab") as log:
            process = subprocess.Popen(
                [*prefix, *argv, *_LIMITS, *options],
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until_s = time.monotonic() + _START_S
        while subprocess.run(["docker", "info"], env=self.environment, capture_output=True, check=False).returncode:
            assert process.poll() is None, f"the engine ended: see {folder / 'engine.log'}"
            assert time.monotonic() < until_s, "the engine does not answer"
            time.sleep(0.2)
        return process


@contextmanager
def namespace() -> Iterator[None]:
    """A network namespace for the engine, with a link on which tests and containers reach each other."""
    _forget_namespace()
    run(("ip", "netns", "add", NAMESPACE))
    try:
        run(("ip", "link", "add", "gpd0", "type", "veth", "peer", "name", "gpd1", "netns", NAMESPACE))
        run(("ip", "addr", "add", f"{HERE}/24", "dev", "gpd0"))
        run(("ip", "link", "set", "gpd0", "up"))
        inside = ("ip", "-n", NAMESPACE)
        run((*inside, "addr", "add", f"{THERE}/24", "dev", "gpd1"))
        run((*inside, "link", "set", "gpd1", "up"))
        run((*inside, "link", "set", "lo", "up"))
        yield
    finally:
        _forget_namespace()


def _forget_namespace() -> None:
    subprocess.run(["ip", "netns", "del", NAMESPACE], capture_output=True, check=False)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(90)


def run(
    argv: Sequence[str], *, cwd: Path | None = None, env: dict[str, str] | None = None, timeout_s: float = 900
) -> str:
    """Returns what the program prints. Its errors are in the exception."""
    done = subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout_s, check=False)
    assert done.returncode == 0, (
        f"{' '.join(argv[:6])}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    )
    return done.stdout
