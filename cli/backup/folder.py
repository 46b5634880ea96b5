"""Writes the folder of a backup, so that it exists only as a whole, and reads it with its checksums.

A folder has `store.jsonl.gz` (keys of the job store), `objects.jsonl.gz` (a list of the objects), `objects/` (their
bytes), `secrets/` and `backup.json`, which has the checksums of the others. Only its owner can read it.
"""

import gzip
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, cast
from urllib.parse import quote

from cli.errors import Failure

FORMAT = 1  # of the folder; grows when an earlier release can't read it
FACTS = "backup.json"
STORE, OBJECTS = "store.jsonl.gz", "objects.jsonl.gz"
_CHUNK_BYTES = 1024 * 1024

Line = Callable[[Any], None]


class BackupWriter:
    """Writes a backup in a `with` statement. The folder gets its name once it is complete and on the disk.

    After an error nothing of the folder remains. An `OSError`, for example of a full disk, names the folder.
    """

    def __init__(self, folder: Path) -> None:
        """Raises `Failure` if the folder exists and is not empty."""
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise Failure(f"{folder} exists already: name a folder that is empty or does not exist")
        self._folder = folder
        self._draft = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.partial")
        self._files: dict[str, dict[str, object]] = {}
        self._is_complete = False

    def __enter__(self) -> Self:
        with self._named():
            self._draft.mkdir(mode=0o700, parents=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if not self._is_complete:
            shutil.rmtree(self._draft, ignore_errors=True)

    @contextmanager
    def lines(self, name: str) -> Iterator[Line]:
        """Yields a function that writes one value as a line of JSON into a compressed file of the backup."""
        with self._named(), _private_file(self._draft / name) as file:
            with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=3, mtime=0) as packed:
                yield lambda value: _write_line(packed, value)
            _sync(file)
        self._files[name] = _facts_of(self._draft / name)

    def write(self, name: str, chunks: Iterable[bytes]) -> tuple[int, str]:
        """Writes a file of the backup. Returns its number of bytes and its SHA-256."""
        digest, num_bytes = hashlib.sha256(), 0
        with self._named():
            path = self._draft / name
            _make_folder(path.parent)
            with _private_file(path) as file:
                for chunk in chunks:
                    file.write(chunk)
                    digest.update(chunk)
                    num_bytes += len(chunk)
                _sync(file)
        return num_bytes, digest.hexdigest()

    def write_secret(self, name: str, data: bytes) -> None:
        """Writes a small file whose checksum is in `backup.json`."""
        num_bytes, sha256 = self.write(name, [data])
        self._files[name] = {"bytes": num_bytes, "sha256": sha256}

    def complete(self, facts: Mapping[str, object]) -> None:
        """Writes `backup.json`, syncs everything to the disk, and gives the folder its name."""
        body = {"format": FORMAT, **facts, "files": self._files}
        text = json.dumps({**body, "sha256": _digest_of(body)}, indent=2)
        with self._named():
            self.write(FACTS, [text.encode()])
            for folder, _, _ in os.walk(self._draft):
                _sync_folder(Path(folder))
            self._draft.rename(self._folder)
            self._is_complete = True
            _sync_folder(self._folder.parent)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Makes an `OSError` name the folder of the backup. The error of a full disk names no file."""
        try:
            yield
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._folder)) from error


class Backup:
    """A complete backup. Every method raises `Failure` for a damaged one."""

    def __init__(self, folder: Path) -> None:
        """Reads and checks `backup.json`. Raises `Failure` if it is missing, damaged or of a newer release."""
        self.folder = folder
        try:
            facts = json.loads((folder / FACTS).read_bytes())
        except FileNotFoundError as error:
            raise Failure(f"{folder} has no {FACTS}: it is no backup, or not a complete one") from error
        except ValueError as error:
            raise Failure(f"{folder / FACTS} is damaged: it is not JSON") from error
        self.facts = _checked(facts, folder / FACTS)

    def verify(self) -> None:
        """Compares all files with their checksums. Raises `Failure` with the first file that differs."""
        for name, expected in self.facts["files"].items():
            self._compare(name, expected["bytes"], expected["sha256"])
        if self.has_objects:
            for key, num_bytes, _, sha256, _ in self.lines(OBJECTS):
                self._compare(path_of(key), num_bytes, sha256)

    def lines(self, name: str) -> Iterator[Any]:
        """Yields the values of a compressed file."""
        with gzip.open(self.folder / name, "rt", encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)

    @property
    def has_objects(self) -> bool:
        """Returns whether the backup has the bytes of the objects, and not only a list of them."""
        return bool(self.facts["objects"] == "copied")

    def secrets(self) -> dict[str, bytes]:
        """Returns the secrets of the service by name."""
        names = [name for name in self.facts["files"] if name.startswith("secrets/")]
        return {name.removeprefix("secrets/"): (self.folder / name).read_bytes() for name in names}

    def _compare(self, name: str, num_bytes: int, sha256: str) -> None:
        try:
            found = _facts_of(self.folder / name)
        except FileNotFoundError as error:
            raise Failure(f"the backup is not complete: {self.folder / name} is missing") from error
        if found != {"bytes": num_bytes, "sha256": sha256}:
            raise Failure(f"the backup is damaged: {self.folder / name} does not have the checksum of the original")


def path_of(key: str) -> str:
    """Returns the path of an object in the folder of a backup."""
    parts = [quote(part, safe="@+=,") for part in key.split("/")]
    return "objects/" + "/".join(part.replace(".", "%2E") if part in ("", ".", "..") else part for part in parts)


def _checked(facts: Any, path: Path) -> dict[str, Any]:
    if not isinstance(facts, dict) or "format" not in facts:
        raise Failure(f"{path} is damaged: it does not describe a backup")
    if facts["format"] != FORMAT:
        release = facts.get("release", "of a later version")
        raise Failure(f"the backup was made by Gridpress {release}, and this release can't read it: use that one")
    if facts.get("sha256") != _digest_of({name: value for name, value in facts.items() if name != "sha256"}):
        raise Failure(f"{path} is damaged: its checksum is wrong")
    return cast("dict[str, Any]", facts)


def _digest_of(body: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _make_folder(folder: Path) -> None:
    """Creates a folder and its parents for their owner alone. `mkdir` gives its mode to the last one only."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def _private_file(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _write_line(file: gzip.GzipFile, value: Any) -> None:
    # ASCII, so that a value that is no text keeps its bytes as lone surrogates
    file.write(json.dumps(value, separators=(",", ":")).encode() + b"\n")


def _facts_of(path: Path) -> dict[str, object]:
    digest, num_bytes = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            num_bytes += len(chunk)
    return {"bytes": num_bytes, "sha256": digest.hexdigest()}


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # some network file systems can't sync a folder
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
