"""`gridpress pull` against a small hub on loopback: what is downloaded, resumed, checked and refused."""

import fcntl
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from email.message import Message
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from huggingface_hub import constants, file_download

from cli import pull as command
from cli.main import main
from cli.stack.ports import free_ports
from tests.cli.answering import Reply, handler_of
from tests.cli.stub_api import reply
from tests.fixtures.http_server import HttpServer
from tests.workers.model.weights import safetensors_of
from workers.model import hub_faults, large_files

MODEL, COMMIT = "acme/model", "c" * 40
FILE = "vae/weights.safetensors"
WEIGHTS = safetensors_of(bytes(number % 251 for number in range(5000)))


class Hub(HttpServer):
    """A model of two files, in the part of the hub's protocol that a download needs."""

    def __init__(self) -> None:
        self.files = {"model_index.json": b"{}", FILE: WEIGHTS, "README.md": b"hello"}
        self.damaged: set[str] = set()
        self.refuses = ""  # the method of requests for files that are refused for now
        self.downloads: Counter[str] = Counter()
        self.ranges: list[str | None] = []  # of downloads of the weights
        self.takes_ranges = True
        self.breaks: list[int] = []  # after how many bytes the next downloads of the weights break
        super().__init__(handler_of(self._answer))
        self._server.RequestHandlerClass.do_HEAD = self._server.RequestHandlerClass.do_GET  # type: ignore[attr-defined]

    def _answer(self, method: str, path: str, headers: Message, _body: bytes) -> Reply:
        path = path.partition("?")[0]
        if path == f"/api/models/{MODEL}" or path.startswith(f"/api/models/{MODEL}/revision/"):
            siblings = [{"rfilename": name, "size": len(data)} for name, data in self.files.items()]
            return reply(200, {"_id": "1", "id": MODEL, "modelId": MODEL, "sha": COMMIT, "siblings": siblings})
        if path.startswith(f"/api/models/{MODEL}/tree/"):
            return reply(200, [self._entry(name) for name in self.files])
        prefix = f"/{MODEL}/resolve/{COMMIT}/"
        if path.startswith(prefix) and path.removeprefix(prefix) in self.files:
            if method == self.refuses:
                return 503, {}, b"{}"
            return self._file(method, path.removeprefix(prefix), headers.get("range"))
        return 404, {"x-error-code": "RepoNotFound"}, b"{}"

    def _entry(self, name: str) -> dict[str, object]:
        data = self.files[name]
        blob = hashlib.sha1(b"blob %d\0%s" % (len(data), data), usedforsecurity=False).hexdigest()
        return {"type": "file", "path": name, "size": len(data), "oid": blob}

    def _file(self, method: str, name: str, asked: str | None) -> Reply:
        data = self.files[name]
        headers = {"etag": f'"{hashlib.sha256(data).hexdigest()}"', "x-repo-commit": COMMIT}
        if method == "HEAD":
            return 200, headers | {"x-linked-size": str(len(data))}, data
        self.downloads[name] += 1
        if name in self.damaged:
            data = b"x" * len(data)
        if name != FILE:
            return 200, headers, data
        self.ranges.append(asked)
        first = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and self.takes_ranges else 0
        rest = data[first:]
        if first:
            headers |= {"content-range": f"bytes {first}-{len(data) - 1}/{len(data)}"}
        if self.breaks:
            sent = rest[: self.breaks.pop(0)]
            return 206 if first else 200, headers | {"content-length": str(len(rest))}, sent
        return 206 if first else 200, headers, rest


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with Hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


def pull(to: Path, *options: str, model: str = MODEL) -> Result:
    return CliRunner().invoke(main, ["pull", model, "--to", str(to), *options])


def test_the_parts_of_a_model_are_downloaded_and_checked(hub: Hub, tmp_path: Path) -> None:
    result = pull(tmp_path / "model", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout) == {
        "model": MODEL, "commit": COMMIT, "folder": str(tmp_path / "model"), "bytes": 2 + len(WEIGHTS)
    }  # fmt: skip
    assert (tmp_path / "model" / FILE).read_bytes() == WEIGHTS
    assert not (tmp_path / "model" / "README.md").exists()
    assert json.loads((tmp_path / "model" / "parts.json").read_text()).keys() == {"vae"}
    assert "all 2 files have the checksums of the hub" in result.stderr


def test_what_is_there_is_not_downloaded_again(hub: Hub, tmp_path: Path) -> None:
    assert pull(tmp_path).exit_code == pull(tmp_path).exit_code == 0
    assert set(hub.downloads.values()) == {1}


def test_a_damaged_file_is_deleted_and_comes_with_the_next_pull(hub: Hub, tmp_path: Path) -> None:
    hub.damaged = {FILE}
    result = pull(tmp_path)
    assert result.exit_code == 1
    assert "deleted: vae/weights.safetensors; run the same command again" in result.stderr
    assert not (tmp_path / "vae" / "weights.safetensors").exists()
    hub.damaged = set()
    assert pull(tmp_path).exit_code == 0


def test_a_file_that_is_wrong_on_the_hub_itself_is_named(hub: Hub, tmp_path: Path) -> None:
    hub.files[FILE] = WEIGHTS[:-1]
    result = pull(tmp_path)
    assert result.exit_code == 1
    assert f"{FILE} is truncated" in result.stderr


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are large from 1,000 bytes on, and failed connections are tried again at once."""
    monkeypatch.setattr(large_files, "LARGE_BYTES", 1000)
    monkeypatch.setattr(hub_faults, "PAUSE_S", 0.0)


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("place", ["folder", "cache"])
def test_an_interrupted_download_goes_on_where_it_ended(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr(large_files, "TRIES", 1)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    to = ("--to", str(tmp_path / "model")) if place == "folder" else ()
    hub.breaks = [2000, 0]
    result = CliRunner().invoke(main, ["pull", MODEL, *to])
    assert (result.exit_code, hub.ranges) == (3, ["bytes=0-", "bytes=2000-"]), result.stderr
    assert "the same command goes on later" in result.stderr
    result = CliRunner().invoke(main, ["pull", MODEL, *to])
    assert (result.exit_code, hub.ranges[2:]) == (0, ["bytes=2000-"]), result.stderr
    assert (Path(result.stdout.strip()) / FILE).read_bytes() == WEIGHTS
    assert f"{FILE}: " in result.stderr
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_a_hub_that_refuses_requests_now_is_asked_later(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setattr(file_download.time, "sleep", lambda _: None)  # the hub's client waits too
    hub.refuses = method
    result = pull(tmp_path)
    assert (result.exit_code, "the same command goes on later" in result.stderr) == (3, True), result.stderr
    hub.refuses = ""
    assert pull(tmp_path).exit_code == 0


@pytest.mark.usefixtures("large")
def test_broken_connections_are_resumed_while_they_bring_something(hub: Hub, tmp_path: Path) -> None:
    hub.breaks = [2000, 2000]
    assert pull(tmp_path).exit_code == 0
    assert hub.ranges == ["bytes=0-", "bytes=2000-", "bytes=4000-"]
    assert (tmp_path / FILE).read_bytes() == WEIGHTS


@pytest.mark.usefixtures("large")
def test_a_server_without_ranges_sends_the_whole_file_again(hub: Hub, tmp_path: Path) -> None:
    hub.takes_ranges, hub.breaks = False, [2000]
    assert pull(tmp_path).exit_code == 0
    assert (tmp_path / FILE).read_bytes() == WEIGHTS


@pytest.mark.usefixtures("large")
def test_two_downloads_of_one_file_do_not_mix(hub: Hub, tmp_path: Path) -> None:
    part = tmp_path / ".cache" / "gridpress" / f"{hashlib.sha256(WEIGHTS).hexdigest()}.part"
    part.parent.mkdir(parents=True)
    with part.open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        result = pull(tmp_path)
    assert (result.exit_code, hub.ranges) == (1, [])
    assert f"another process downloads {FILE} now" in result.stderr


@pytest.mark.usefixtures("large")
def test_bytes_that_are_here_need_no_room(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_files, "TRIES", 1)
    monkeypatch.setattr(command, "gib", str)
    hub.breaks = [2000, 0]
    assert f"2 files; {2 + len(WEIGHTS)} to download" in pull(tmp_path).stderr
    assert f"2 files; {2 + len(WEIGHTS) - 2000} to download" in pull(tmp_path).stderr


@pytest.mark.usefixtures("large")
def test_damaged_bytes_of_a_large_file_are_noticed_and_come_again(hub: Hub, tmp_path: Path) -> None:
    hub.damaged = {FILE}
    assert pull(tmp_path).exit_code == 1
    hub.damaged = set()
    assert pull(tmp_path).exit_code == 0
    assert (tmp_path / FILE).read_bytes() == WEIGHTS


def test_a_full_disk_is_noticed_before_the_download(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_SPARE_BYTES", 2**60)
    result = pull(tmp_path)
    assert (result.exit_code, hub.downloads) == (1, {})
    assert "free some, or name another folder" in result.stderr


@pytest.mark.parametrize("model", ["acme/other", "not a model", "a/b/c/d"])
def test_a_model_that_the_hub_lacks_is_refused_in_one_line(hub: Hub, tmp_path: Path, model: str) -> None:
    result = pull(tmp_path, model=model)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert f"the hub has no model {model}" in result.stderr


def test_what_is_no_pipeline_is_refused(hub: Hub, tmp_path: Path) -> None:
    del hub.files["model_index.json"]
    assert "no model_index.json" in pull(tmp_path).stderr


@pytest.mark.parametrize("model", ["demo", "."])
def test_what_is_here_already_needs_no_download(tmp_path: Path, model: str) -> None:
    assert pull(tmp_path, model=model).exit_code == 2


def test_a_hub_that_cannot_be_reached_is_exit_status_3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{free_ports(1)[0]}")
    result = pull(tmp_path)
    assert (result.exit_code, result.stderr.count("\n")) == (3, 1)
    assert "the same command goes on later" in result.stderr
