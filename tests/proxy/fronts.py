"""The proxies of `deploy/proxy/` as processes on loopback, with ports, certificate and folder of the test."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cli.stack.ports import free_ports
from tests.cli.waiting import eventually

FOLDER = Path(__file__).parents[2] / "deploy" / "proxy"
UPSTREAM = "127.0.0.1:8000"
NAME = "pictures.example.com"
SUB_PATH = "/gridpress"


@dataclass(frozen=True)
class Certificate:
    """Files of a server's certificate and key, and of the authority that clients trust."""

    chain: Path
    key: Path
    authority: Path


@dataclass(frozen=True)
class Front:
    """A proxy of one kind, at `port`."""

    file: str
    port: int
    certificate: Certificate

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}{SUB_PATH if 'subpath' in self.file else ''}"

    @property
    def program(self) -> str:
        return "nginx" if self.file.startswith("nginx") else "caddy"


FILES = ("nginx.conf", "nginx-subpath.conf", "Caddyfile", "Caddyfile-subpath")


@contextmanager
def running(front: Front, upstream_port: int, folder: Path) -> Iterator[None]:
    """Runs the proxy before the upstream until the end of the block."""
    folder.mkdir(exist_ok=True)
    argv = (_nginx if front.program == "nginx" else _caddy)(front, upstream_port, folder)
    env = {**os.environ, "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "HOME": str(folder)}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log, env=env)
    try:
        eventually(lambda: _listens(front.port))
        yield
    finally:
        process.terminate()
        process.wait()


def text_of(file: str) -> str:
    return (FOLDER / file).read_text()


def _nginx(front: Front, upstream_port: int, folder: Path) -> list[str]:
    [plain] = free_ports(1)
    site = _replaced(
        text_of(front.file),
        {
            UPSTREAM: f"127.0.0.1:{upstream_port}",
            "listen 80;": f"listen 127.0.0.1:{plain};",
            "    listen [::]:80;\n": "",
            "listen 443 ssl http2;": f"listen 127.0.0.1:{front.port} ssl http2;",
            "    listen [::]:443 ssl http2;\n": "",
            "/etc/gridpress/tls/tls.crt": str(front.certificate.chain),
            "/etc/gridpress/tls/tls.key": str(front.certificate.key),
        },
    )
    (folder / "site.conf").write_text(site)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log stderr; events {{}} "
        f"http {{ access_log off; {temporary} include {folder}/site.conf; }}"
    )
    return [program("nginx"), "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]


def _caddy(front: Front, upstream_port: int, folder: Path) -> list[str]:
    tls = (
        f"https://127.0.0.1:{front.port} {{\n\ttls {front.certificate.chain} {front.certificate.key}\n\tbind 127.0.0.1"
    )
    changes = {UPSTREAM: f"127.0.0.1:{upstream_port}", f"\n{NAME} {{": f"\n{tls}"}
    general = "{\n\tadmin off\n\tauto_https disable_redirects\n}\n"
    (folder / "Caddyfile").write_text(general + _replaced(text_of(front.file), changes))
    return [program("caddy"), "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


def program(name: str) -> str:
    """Returns the path of a program; '' where it is not installed."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin") or ""


def _replaced(text: str, changes: dict[str, str]) -> str:
    for old, new in changes.items():
        assert old in text, f"the file has no {old!r}"
        text = text.replace(old, new)
    return text


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
