"""Secrets of a data folder."""

import subprocess
import sys
from pathlib import Path

from cli.stack.secrets import secret, write_private


def test_a_secret_stays_the_same(tmp_path: Path) -> None:
    assert secret(tmp_path, "key") == secret(tmp_path, "key")


def test_two_secrets_differ_and_so_do_two_folders(tmp_path: Path) -> None:
    made = {secret(tmp_path / folder, name) for folder in "ab" for name in ("key", "password")}
    assert len(made) == 4


def test_only_its_owner_can_read_a_secret(tmp_path: Path) -> None:
    secret(tmp_path, "key")
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "secrets" / "key").stat().st_mode & 0o777 == 0o600


def test_a_private_file_is_replaced_whole_and_leaves_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "config"
    for text in ("a longer first text", "short"):
        write_private(path, text)
    assert path.read_text() == "short"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_told_with_the_file_and_leaves_no_draft(tmp_path: Path) -> None:
    resource_limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); "
    ignore = "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "  # then a write fails with EFBIG
    code = f"{resource_limit}{ignore}from pathlib import Path; from cli.stack.secrets import secret; "
    code += f"secret(Path({str(tmp_path)!r}), 'key')"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert f"File too large: '{tmp_path}/secrets/key'" in ended.stderr
    assert list((tmp_path / "secrets").iterdir()) == []
