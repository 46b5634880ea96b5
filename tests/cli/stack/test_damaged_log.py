"""A log of the embedded store that lost something: no start goes on in silence, nothing is thrown away unasked."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.stack.servers import append_log
from cli.stack.servers.append_log import AppendLog
from cli.stack.servers.ledger import LedgerFile, compare
from cli.stack.servers.valkey import Valkey
from shared.errors import Misconfigured
from shared.ids import new_job_id
from shared.store.core.connect import connect
from shared.store.core.fault_counts import FaultCounts
from shared.store.core.ledger import LedgerStore
from shared.store.jobs.jobs import JobStore
from tests.shared.store.builders import a_spec

NUM_JOBS = 20
INCREMENT, BASE, MANIFEST = (f"appendonly.aof{name}" for name in (".1.incr.aof", ".1.base.rdb", ".manifest"))
Harm = Callable[[Path], object]


def logs(data_dir: Path) -> Path:
    return data_dir / "valkey" / "appendonlydir"


def cut(share: float) -> Harm:
    return lambda folder: os.truncate(folder / INCREMENT, int((folder / INCREMENT).stat().st_size * share))


def zero_tail(folder: Path) -> None:
    with (folder / INCREMENT).open("ab") as file:
        file.write(bytes(4096))


def garble(folder: Path) -> None:
    """The length of a command in the middle."""
    data = (folder / INCREMENT).read_bytes()
    at = data.index(b"*", len(data) // 2)
    (folder / INCREMENT).write_bytes(data[:at] + b"?" + data[at + 1 :])


def lose(name: str) -> Harm:
    return lambda folder: (folder / name).unlink()


def empty(name: str) -> Harm:
    return lambda folder: (folder / name).write_bytes(b"")


def another_day(folder: Path) -> None:
    shutil.rmtree(folder)
    shutil.copytree(folder.with_name("before"), folder)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which jobs were accepted, before and after a copy was taken."""
    data_dir = tmp_path_factory.mktemp("served")
    server = Valkey(data_dir)
    server.start()
    client = connect(server.url)
    for number in range(NUM_JOBS):
        JobStore(client).submit(new_job_id(), a_spec())
        compare(LedgerFile(server.folder), LedgerStore(client))
        if number == NUM_JOBS // 2:
            shutil.copytree(logs(data_dir), server.folder / "before")
    client.close()
    server.stop()
    return data_dir


@pytest.fixture
def data_dir(served: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(served, tmp_path / "data"))


def started(data_dir: Path) -> tuple[int, str | None, str | None]:
    """Jobs that are there, what the comparison tells, and what everybody is told afterwards."""
    server = Valkey(data_dir)
    server.start()
    try:
        with connect(server.url) as client:
            loss = compare(LedgerFile(server.folder), LedgerStore(client))
            assert FaultCounts(client).read().get("store.loss", 0) == (loss is not None)
            assert compare(LedgerFile(server.folder), LedgerStore(client)) is None, "told once"
            return int(client.zcard("gridpress:jobs:default")), loss, LedgerStore(client).loss()  # type: ignore[arg-type]
    finally:
        server.stop()


def test_a_log_that_is_whole_tells_nothing(data_dir: Path) -> None:
    assert started(data_dir) == (NUM_JOBS, None, None)


@pytest.mark.attack
@pytest.mark.parametrize("harm", [cut(0.5), cut(0.9), cut(0.0), another_day], ids=["half", "tenth", "all", "old"])
def test_a_start_says_what_is_gone(data_dir: Path, harm: Harm) -> None:
    harm(logs(data_dir))
    num_jobs, loss, told = started(data_dir)
    assert num_jobs < NUM_JOBS
    assert loss
    assert told == loss
    assert f"{NUM_JOBS - num_jobs} of {NUM_JOBS} accepted jobs are gone" in loss
    assert loss in (data_dir / "valkey" / "losses.jsonl").read_text()


@pytest.mark.attack
@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"ticks": 1}', "\0" * 99], ids=["empty", "torn", "list", "short", "zeros"]
)
def test_a_note_that_cannot_be_read_is_told_and_begun_anew(data_dir: Path, text: str) -> None:
    note = data_dir / "valkey" / "ledger.json"
    note.write_text(text)
    cut(0.5)(logs(data_dir))
    _, loss, told = started(data_dir)
    assert loss
    assert loss == told
    assert "unknown" in loss
    assert note.with_suffix(".unreadable").read_text() == text
    assert LedgerFile(data_dir / "valkey").is_begun


@pytest.mark.attack
def test_a_log_that_is_gone_is_missed_though_the_note_cannot_be_read(data_dir: Path) -> None:
    (data_dir / "valkey" / "ledger.json").write_text("{")
    shutil.rmtree(logs(data_dir))
    with pytest.raises(Misconfigured, match="the job store's log is gone"):
        Valkey(data_dir).prepare()


@pytest.mark.attack
def test_a_check_of_the_log_that_hangs_is_ended(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = tmp_path / "hanging"
    hanging.write_text("#!/bin/sh\nexec sleep 60\n")
    hanging.chmod(0o700)
    monkeypatch.setattr(append_log, "_CHECK_S", 0.1)
    with pytest.raises(OSError, match="was not read within"):
        AppendLog(data_dir / "valkey", hanging).check()


@pytest.mark.attack
def test_what_a_start_drops_is_kept(data_dir: Path) -> None:
    cut(0.5)(logs(data_dir))
    was = (logs(data_dir) / INCREMENT).read_bytes()
    assert "are dropped" in str(Valkey(data_dir).prepare())
    started(data_dir)
    kept = sorted((data_dir / "valkey" / "kept").glob(f"*/{INCREMENT}"))
    assert kept[0].read_bytes() == was


@pytest.mark.attack
@pytest.mark.parametrize("what", [shutil.copy2, Path.mkdir], ids=["copy", "folder"])
def test_a_disk_without_room_for_a_copy_keeps_no_half_of_it_and_holds_up_no_start(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, what: Callable[..., object]
) -> None:
    """The full disk itself cut the write short: each start that failed would take what room comes."""

    def fail(*args: object, **_: object) -> None:
        if what is shutil.copy2:
            (Path(str(args[1])) / INCREMENT).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    cut(0.5)(logs(data_dir))
    monkeypatch.setattr(Path if what is Path.mkdir else shutil, what.__name__, fail)
    for _ in range(3):
        assert "no copy could be kept: No space left" in str(Valkey(data_dir).prepare())
    monkeypatch.undo()
    assert not [*(data_dir / "valkey").glob("kept/*")]
    assert started(data_dir)[0] < NUM_JOBS


HARMS = {
    "zero tail": zero_tail,
    "garbage": garble,
    "no manifest": lose(MANIFEST),
    "empty manifest": empty(MANIFEST),
    "no base": lose(BASE),
    "no increment": lose(INCREMENT),
    "nothing": shutil.rmtree,
}


@pytest.mark.attack
@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_what_valkey_would_not_read_or_pass_over_is_left_until_somebody_says_so(data_dir: Path, harm: Harm) -> None:
    harm(logs(data_dir))
    before = {path.name: path.read_bytes() for path in logs(data_dir).glob("*")}
    with pytest.raises(Misconfigured, match="run `gridpress repair`"):
        Valkey(data_dir).start()
    assert {path.name: path.read_bytes() for path in logs(data_dir).glob("*")} == before


@pytest.mark.attack
@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_a_repaired_log_starts_and_holds_what_is_left(data_dir: Path, harm: Harm) -> None:
    harm(logs(data_dir))
    said = Valkey(data_dir).log.repair()
    assert said
    num_jobs, loss, _ = started(data_dir)
    is_whole = harm in (zero_tail, HARMS["no manifest"], HARMS["empty manifest"])
    assert (num_jobs == NUM_JOBS) == is_whole
    assert (loss is None) == is_whole


def test_a_log_that_may_not_be_read_is_named(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", str(logs(data_dir)))

    monkeypatch.setattr(Path, "iterdir", refuse)  # tests may run as root, who may read everything
    with pytest.raises(Misconfigured, match=r"can't be read: .*appendonlydir"):
        Valkey(data_dir).prepare()
