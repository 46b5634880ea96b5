"""Keeps the records of a zip archive's files on disk while the archive is written.

`ZipFile` would keep these records in memory, for up to a million files.
"""

import pickle
from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Any, Self
from zipfile import ZipFile, ZipInfo

_SPOOLED = 1024 * 1024


class Records:
    """A temporary file that holds the records of a zip archive's files, in place of `ZipFile.filelist`.

    `ZipFile` reads the records when it writes the central directory at the end of the archive.
    """

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(_SPOOLED)  # noqa: SIM115 - closed by __exit__
        self._count = 0

    def take_over(self, archive: ZipFile) -> None:
        """Replaces the member lists of a `ZipFile` by this object. Must run before the first member is written.

        The index of members by name stays empty. `ZipFile` uses this index only to warn of duplicate names, and our
        names are unique.
        """
        archive.filelist = self  # type: ignore[assignment]
        archive.NameToInfo = _EmptyIndex()

    def append(self, member: ZipInfo) -> None:
        pickle.dump(member, self._file)
        self._count += 1

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[ZipInfo]:
        self._file.seek(0)
        for _ in range(self._count):
            yield pickle.load(self._file)  # noqa: S301 - written above

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()


class _EmptyIndex(dict[str, ZipInfo]):
    def __setitem__(self, name: str, member: ZipInfo) -> Any:
        """Discards the entry. `ZipFile` uses this index only to warn of duplicate names, and our names are unique."""
