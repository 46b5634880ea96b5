"""Secrets of a data folder."""

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
