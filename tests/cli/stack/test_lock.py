"""One service per data folder."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli.stack.lock import folder_lock
from shared.errors import Misconfigured

HOLD = """
import pathlib, sys
from cli.stack.lock import folder_lock
with folder_lock(pathlib.Path(sys.argv[1])):
    print(flush=True)
    input()
"""


def test_a_second_holder_is_refused_and_told_who_the_first_is(tmp_path: Path) -> None:
    with folder_lock(tmp_path), pytest.raises(Misconfigured, match=f"by process {os.getpid()}"), folder_lock(tmp_path):
        raise AssertionError


def test_the_lock_is_free_again_after_its_block(tmp_path: Path) -> None:
    for _ in range(2):
        with folder_lock(tmp_path):
            pass


def test_the_lock_dies_with_its_holder(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        holder.stdout.readline()
        with pytest.raises(Misconfigured, match=str(holder.pid)), folder_lock(tmp_path):
            raise AssertionError
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with folder_lock(tmp_path):
            pass


@pytest.mark.attack
def test_a_lock_file_that_was_removed_lets_no_second_holder_in(tmp_path: Path) -> None:
    with folder_lock(tmp_path):
        (tmp_path / "run" / "lock").unlink()
        (tmp_path / "run").rmdir()
        with pytest.raises(Misconfigured, match="by another process"), folder_lock(tmp_path):
            raise AssertionError


def test_a_new_data_folder_is_its_owners_alone(tmp_path: Path) -> None:
    with folder_lock(tmp_path / "data"):
        assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Misconfigured, match="file/data"), folder_lock(tmp_path / "file" / "data"):
        pass
