"""The lock of a device: one holder, a fair line, nothing left behind by the dead."""

import subprocess
import sys
from pathlib import Path

import pytest

from shared.errors import Misconfigured
from workers.device.lock import DeviceLock
from workers.engine.device_turns import BULK_RANK, Demand

HOLDER = """
import sys
from pathlib import Path
from workers.device.lock import DeviceLock
lock = DeviceLock(Path(sys.argv[1]), "cuda:0")
print(lock.try_acquire(), flush=True)
sys.stdin.read()
"""


def two_locks(folder: Path) -> tuple[DeviceLock, DeviceLock]:
    return DeviceLock(folder, "cuda:0"), DeviceLock(folder, "cuda:0")


def test_a_device_has_one_holder(tmp_path: Path) -> None:
    ours, theirs = two_locks(tmp_path)
    assert ours.try_acquire()
    assert not theirs.try_acquire()
    ours.give_up()
    assert theirs.try_acquire()


def test_two_devices_have_a_holder_each(tmp_path: Path) -> None:
    assert DeviceLock(tmp_path, "cuda:0").try_acquire()
    assert DeviceLock(tmp_path, "cuda:1").try_acquire()


def test_a_holder_knows_whether_somebody_waits_and_with_what(tmp_path: Path) -> None:
    ours, theirs = two_locks(tmp_path)
    ours.try_acquire()
    assert ours.next_demand() is None
    theirs.try_acquire(Demand(1, 2.5))
    assert ours.next_demand() == Demand(1, 2.5)
    theirs.give_up()
    assert ours.next_demand() is None


def test_who_gives_the_device_up_stands_behind_who_waits(tmp_path: Path) -> None:
    ours, theirs = two_locks(tmp_path)
    ours.try_acquire()
    theirs.try_acquire()
    for _ in range(3):
        ours.give_up()
        assert not ours.try_acquire()
        assert theirs.try_acquire()
        assert not ours.try_acquire()
        ours, theirs = theirs, ours


def test_a_killed_holder_frees_the_device(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout
        assert holder.stdout.readline().strip() == "True"
        ours = DeviceLock(tmp_path, "cuda:0")
        assert not ours.try_acquire()
        holder.kill()
        holder.wait()
        assert ours.try_acquire()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Misconfigured, match="file"):
        DeviceLock(tmp_path / "file" / "run", "cpu")


def test_a_waiter_that_has_said_nothing_for_long_counts_as_bulk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hangs, or is of a version that says nothing."""
    ours, theirs = two_locks(tmp_path)
    ours.try_acquire()
    theirs.try_acquire(Demand(0, 2.5))
    monkeypatch.setattr("workers.device.lock._STALE_S", 0.0)
    assert ours.next_demand() == Demand(BULK_RANK, 0.0)


def test_a_waiter_of_an_older_version_counts_as_bulk(tmp_path: Path) -> None:
    ours, theirs = two_locks(tmp_path)
    ours.try_acquire()
    theirs.try_acquire()
    (tmp_path / "device-cuda-0.next").write_bytes(b"")
    assert ours.next_demand() == Demand(BULK_RANK, 0.0)


def test_one_that_hangs_next_in_line_does_not_keep_the_device_free_for_ever(tmp_path: Path) -> None:
    ours = DeviceLock(tmp_path, "cuda:0", patience_s=0.0)
    patient, hangs = two_locks(tmp_path)
    ours.try_acquire()
    hangs.try_acquire()
    ours.give_up()
    assert not patient.try_acquire()
    assert ours.try_acquire()
    assert not hangs.try_acquire()
