"""Several processes that count as one: places, and what goes wrong with their files. Each in a process of its own."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

_SETUP = """
import os, sys, tempfile
from pathlib import Path
from shared.metrics import processes as several
parents = several._parents
several._parents = lambda: [Path(sys.argv[1])]
several.count_together()
from shared.metrics.catalogue import HTTP_CONNECTIONS, STORE_ERRORS
folder = several._State.folder

def value(name):
    return sum(one.value for metric in several.collected() for one in metric.samples if one.name == name)

def in_a_process(number, work):
    several.prepare(number)
    if pid := os.fork():
        os.waitpid(pid, 0)
        return
    several.take(number)
    work()
    os._exit(0)
"""


def _run(code: str, folder: Path) -> str:
    command = [sys.executable, "-c", _SETUP + code, str(folder)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_a_successor_counts_on_and_its_gauges_begin_anew(tmp_path: Path) -> None:
    code = """
assert several.allot(2)
def work():
    STORE_ERRORS.inc(3)
    HTTP_CONNECTIONS.inc(5)
for number in (0, 1, 1, 1):
    in_a_process(number, work)
print(value("gridpress_store_errors_total"), value("gridpress_http_connections"))
several.leave(1)
print(value("gridpress_http_connections"), len(list(folder.glob("*.db"))))
"""
    assert _run(code, tmp_path).split() == ["12.0", "10.0", "5.0", "12"]


def test_a_file_that_a_kill_left_broken_is_emptied_for_the_next_process(tmp_path: Path) -> None:
    code = """
assert several.allot(1)
in_a_process(0, lambda: STORE_ERRORS.inc(3))
path = folder / "counter_0.db"
whole = bytearray(path.read_bytes())
whole[8:12] = (1 << 30).to_bytes(4, "little")
path.write_bytes(whole)
in_a_process(0, lambda: STORE_ERRORS.inc(1))
print(value("gridpress_store_errors_total"))
"""
    assert _run(code, tmp_path).splitlines()[-1] == "1.0"


def test_without_room_for_all_processes_nothing_is_served_and_counting_goes_on(tmp_path: Path) -> None:
    code = """
def full(*_):
    raise OSError(28, "No space left on device")
several._make_files = full
assert not several.allot(2)
in_a_process(0, lambda: STORE_ERRORS.inc(1))
print(len(list(folder.glob("*_0.db"))))
"""
    assert _run(code, tmp_path).splitlines()[-1] == "0"


def test_a_machine_where_nothing_can_be_written_ends_no_process(tmp_path: Path) -> None:
    code = """
several._MEMORY, tempfile.tempdir = Path("/proc/nowhere"), None
tempfile._get_default_tempdir = lambda: (_ for _ in ()).throw(FileNotFoundError(2, "No usable temporary directory"))
several._parents = parents
print(several._new_folder())
"""
    assert _run(code, tmp_path).strip() == "None"


def test_without_any_folder_each_process_counts_for_itself(tmp_path: Path) -> None:
    code = "STORE_ERRORS.inc(); print(folder, several.allot(1), STORE_ERRORS._value.get())"
    assert _run(code, tmp_path / "none").strip() == "None False 1.0"


def test_the_folder_is_removed_at_the_end_and_that_of_a_killed_service_at_the_next_start(tmp_path: Path) -> None:
    _run("print(folder)", tmp_path)
    assert not list(tmp_path.iterdir())
    killed = Path(_run("print(folder, flush=True); os._exit(0)", tmp_path).strip())
    assert killed.exists()
    _run("", tmp_path)
    assert not killed.exists()


def test_the_folder_of_a_living_service_stays(tmp_path: Path) -> None:
    left = Path(_run("print(folder, flush=True); os._exit(0)", tmp_path).strip())
    with (left / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _run("", tmp_path)
        assert left.exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives a folder to somebody else")
def test_folders_and_links_of_others_are_left_alone(tmp_path: Path) -> None:
    stranger = 12345
    ours = tmp_path / "ours"
    theirs, link = (tmp_path / f"gridpress-metrics-{os.getuid()}-{name}" for name in ("theirs", "link"))
    for folder in (ours, theirs):
        folder.mkdir()
        (folder / "lock").touch()
    link.symlink_to(ours)
    for path in (theirs, link):
        os.chown(path, stranger, stranger, follow_symlinks=False)
    made = Path(_run("print(folder)", tmp_path).strip())
    assert made.parent == tmp_path
    assert (ours / "lock").exists()
    assert (theirs / "lock").exists()
    assert link.is_symlink()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives a file its memory beforehand")
def test_all_files_have_their_memory_before_anything_is_counted(tmp_path: Path) -> None:
    code = """
several.allot(1)
print(all(path.stat().st_blocks * 512 >= path.stat().st_size for path in folder.glob("*.db")))
"""
    assert _run(code, tmp_path).strip() == "True"
