"""Keeps the records of a zip's members on disk. `ZipFile` keeps them in memory, and a batch may have a million
pictures.
"""

import pickle
from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Any, Self
from zipfile import ZipFile, ZipInfo

_SPOOLED = 1024 * 1024


class Records:
    """Replaces `ZipFile.filelist`: keeps the members in a file, for the directory at the archive's end."""

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(_SPOOLED)  # noqa: SIM115 - closed by __exit__
        self._count = 0

    def take_over(self, archive: ZipFile) -> None:
        """Takes the place of the archive's lists, before its first member. Names are unique, so no index of names is
        kept.
        """
        archive.filelist = self  # type: ignore[assignment]
        archive.NameToInfo = _Forgetful()

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


class _Forgetful(dict[str, ZipInfo]):
    def __setitem__(self, name: str, member: ZipInfo) -> Any:
        """Stores nothing."""
