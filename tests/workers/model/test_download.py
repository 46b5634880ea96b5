"""A worker's own download: it goes on where it ended, is counted and checked, and says in one line why it can't."""

import errno
import fcntl
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

import httpx
import pytest
from huggingface_hub import constants, file_download, snapshot_download
from huggingface_hub.errors import HfHubHTTPError

from cli.stack.ports import free_ports
from shared.errors import DownloadInterrupted, GridpressError, MissingCheckpoint
from shared.schedule.starting_worker import StartPhase
from tests.fixtures.hub import COMMIT, MODEL, WEIGHTS, Hub
from workers.model import hub_faults, large_files
from workers.model.download import download

PART_FILE = "vae/weights.safetensors"


class Phases:
    """Keeps what a download reports."""

    def __init__(self) -> None:
        self.totals: list[int] = []
        self.counted = 0

    @contextmanager
    def __call__(self, phase: StartPhase, total_bytes: int = 0, /) -> Iterator[Callable[[int], None]]:
        assert phase is StartPhase.DOWNLOADING
        self.totals.append(total_bytes)
        yield self._count

    def _count(self, num_bytes: int) -> None:
        self.counted += num_bytes


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 100)  # what arrives is written in such pieces
    monkeypatch.setattr(file_download.time, "sleep", lambda _: None)
    with Hub() as hub:
        yield hub


def fetch(hub: Hub, phases: Phases | None = None) -> Path:
    return download(MODEL, COMMIT, ["vae"], phases or Phases(), hub.url)


def refusal(hub: Hub, kind: type[GridpressError]) -> str:
    with pytest.raises(kind) as refused:
        fetch(hub)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_download_is_counted_to_the_last_byte_and_happens_once(hub: Hub) -> None:
    phases = Phases()
    folder = fetch(hub, phases)
    assert (folder.name, (folder / PART_FILE).read_bytes()) == (COMMIT, WEIGHTS)
    assert (phases.totals, phases.counted) == ([len(WEIGHTS) + 2], len(WEIGHTS) + 2)
    fetch(hub, again := Phases())
    assert (again.totals, set(hub.downloads.values())) == ([], {1})


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are large from 1,000 bytes on."""
    monkeypatch.setattr(large_files, "LARGE_BYTES", 1000)
    monkeypatch.setattr(hub_faults, "PAUSE_S", 0.0)


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("breaks", [[0], [1000], [1000, 500, 7]])
def test_a_connection_that_breaks_is_taken_up_where_it_ended(hub: Hub, breaks: list[int]) -> None:
    hub.breaks_after[PART_FILE] = list(breaks)
    assert (fetch(hub, phases := Phases()) / PART_FILE).read_bytes() == WEIGHTS
    assert sum(breaks) in hub.begins
    assert phases.counted == len(WEIGHTS) + 2


@pytest.mark.usefixtures("large")
def test_a_download_that_breaks_off_for_good_is_one_line_and_the_next_start_goes_on(hub: Hub) -> None:
    hub.breaks_after[PART_FILE] = [1000] + [0] * 9
    assert MODEL in refusal(hub, DownloadInterrupted)
    hub.breaks_after.clear()
    hub.begins.clear()
    assert (fetch(hub) / PART_FILE).read_bytes() == WEIGHTS
    assert hub.begins == [1000, 0]  # the weights, then model_index.json


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("kind", ["HEAD", "GET"])
@pytest.mark.parametrize("statuses", [[429], [503, 500, 502], [408]])
def test_a_hub_that_refuses_for_a_while_is_asked_again(hub: Hub, kind: str, statuses: list[int]) -> None:
    hub.refusals[kind] = list(statuses)
    assert (fetch(hub) / PART_FILE).read_bytes() == WEIGHTS
    assert not hub.refusals[kind]


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("statuses", [[429], [503, 500, 502], [408]])
def test_a_hub_that_refuses_the_size_of_a_file_for_a_while_is_asked_again(hub: Hub, statuses: list[int]) -> None:
    hub.refusals["HEAD"] = list(statuses)
    asked: Any = SimpleNamespace(filename=PART_FILE, commit_hash=COMMIT, file_size=len(WEIGHTS), will_download=True)
    (found,) = large_files.large_files(MODEL, [asked], None, hub.url)
    assert (found.size, hub.refusals["HEAD"]) == (len(WEIGHTS), [])


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("kind", ["LIST", "HEAD", "GET"])
@pytest.mark.parametrize("status", [429, 503])
def test_a_hub_that_goes_on_to_refuse_is_one_line_and_the_next_start_goes_on(hub: Hub, kind: str, status: int) -> None:
    hub.refusals[kind] = [status] * 99
    assert str(status) in refusal(hub, DownloadInterrupted)
    hub.refusals.clear()
    assert (fetch(hub) / PART_FILE).read_bytes() == WEIGHTS


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize("kind", ["LIST", "GET"])
def test_a_refusal_that_lasts_is_not_asked_again(hub: Hub, kind: str) -> None:
    hub.refusals[kind] = [403] * 99
    refusal(hub, MissingCheckpoint)
    assert len(hub.refusals[kind]) >= 97


@pytest.mark.parametrize(
    ("asked", "expected_s"), [("7", 7), ("86400", 60), ("Fri, 01 Jan 2027", 1), ("-5", 1), ("", 1)]
)
def test_the_hub_says_how_long_to_wait_within_reason(asked: str, expected_s: float) -> None:
    request = httpx.Request("GET", "http://hub.test")
    response = httpx.Response(429, headers={"retry-after": asked}, request=request)
    assert hub_faults.pause_s(httpx.HTTPStatusError("busy", request=request, response=response)) == expected_s


@pytest.mark.parametrize("breaks", [[0], [1000]])
def test_small_files_come_again_from_their_beginning(hub: Hub, breaks: list[int]) -> None:
    hub.breaks_after[PART_FILE] = list(breaks)
    assert (fetch(hub) / PART_FILE).read_bytes() == WEIGHTS


@pytest.mark.usefixtures("large")
def test_workers_of_one_machine_download_a_file_once(hub: Hub) -> None:
    with ThreadPoolExecutor(3) as pool:
        folders = list(pool.map(lambda _: fetch(hub), range(3)))
    assert len(set(folders)) == 1
    assert (folders[0] / PART_FILE).read_bytes() == WEIGHTS
    assert hub.downloads[PART_FILE] == 1
    assert not list(folders[0].parent.parent.rglob("*.part"))


@pytest.mark.parametrize("is_deleted", [False, True], ids=["kept", "deleted"])
def test_a_file_that_another_worker_finishes_meanwhile_is_not_finished_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_deleted: bool
) -> None:
    """The other worker may find the file damaged, and delete it."""
    file = large_files.LargeFile("a", "http://hub.test", len(WEIGHTS), tmp_path / "a.part", tmp_path / "a")
    file.part.write_bytes(WEIGHTS)
    others = [file.part.replace] + [lambda target: Path(target).unlink()] * is_deleted

    def lock(*_: object) -> None:
        while others:
            others.pop(0)(file.target)

    def append(file: large_files.LargeFile, out: BinaryIO, *_: object) -> None:
        assert out.tell() == 0
        out.write(WEIGHTS)

    monkeypatch.setattr(large_files.fcntl, "flock", lock)
    monkeypatch.setattr(large_files, "_append", append)
    large_files.download_large([file], lambda _: lambda _: None, waits=True)
    assert file.target.read_bytes() == WEIGHTS
    assert not file.part.exists()


def test_a_file_is_complete_and_in_its_place_before_its_lock_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = large_files.LargeFile("a", "http://hub.test", len(WEIGHTS), tmp_path / "a.part", tmp_path / "a")
    found = []
    replace = Path.replace

    def replace_if_locked(part: Path, target: Path) -> Path:
        with part.open("rb") as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        found.append(part.read_bytes())
        return replace(part, target)

    monkeypatch.setattr(Path, "replace", replace_if_locked)
    monkeypatch.setattr(large_files, "_append", lambda _, out, *__: out.write(WEIGHTS))
    large_files.download_large([file], lambda _: lambda _: None)
    assert found == [WEIGHTS]


def test_a_damaged_file_is_named_and_comes_with_the_next_start(hub: Hub) -> None:
    hub.damaged = {PART_FILE}
    assert f"deleted: {PART_FILE}" in refusal(hub, DownloadInterrupted)
    hub.damaged = set()
    assert (fetch(hub) / PART_FILE).read_bytes() == WEIGHTS


def test_a_disk_without_room_is_named_before_the_download(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10))
    assert "whose disk has 0.0 GB free" in refusal(hub, MissingCheckpoint)
    assert not hub.downloads


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fills_up_meanwhile_is_one_line(hub: Hub, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, "no room")

    monkeypatch.setattr(file_download, "http_get", fail)
    assert "is full" in refusal(hub, MissingCheckpoint)


def test_a_model_that_the_hub_lacks_is_one_line(hub: Hub) -> None:
    with pytest.raises(MissingCheckpoint, match="acme/other is no folder here"):
        download("acme/other", COMMIT, ["vae"], Phases(), hub.url)
    assert not hub.downloads


def test_a_hub_that_is_away_does_not_matter_once_all_files_are_here(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fetch(hub)
    monkeypatch.setattr(Hub, "url", f"http://127.0.0.1:{free_ports(1)[0]}")
    assert fetch(hub) == folder


@pytest.mark.parametrize("away", ["closed", "busy"])
def test_a_hub_that_comes_back_too_late_sends_nothing_unchecked(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, away: str
) -> None:
    """It does not say what is missing, and answers all later requests."""
    folder = fetch(hub)
    (folder / PART_FILE).unlink()
    hub.damaged = {PART_FILE}
    hub.downloads.clear()
    ask = snapshot_download

    def ask_late(*given: Any, dry_run: bool = False, **options: Any) -> Any:
        if dry_run:
            request = httpx.Request("GET", hub.url)
            busy = HfHubHTTPError("503 busy", response=httpx.Response(503, request=request))
            raise httpx.ConnectError("closed") if away == "closed" else busy
        return ask(*given, **options)

    monkeypatch.setattr("workers.model.download.snapshot_download", ask_late)
    assert away in refusal(hub, DownloadInterrupted)
    assert not hub.downloads


@pytest.mark.parametrize("revision", [COMMIT, None])
def test_a_first_start_without_the_hub_is_tried_again(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, revision: str | None
) -> None:
    monkeypatch.setattr(Hub, "url", f"http://127.0.0.1:{free_ports(1)[0]}")
    with pytest.raises(DownloadInterrupted, match="another start goes on"):
        download(MODEL, revision, ["vae"], Phases(), hub.url)
