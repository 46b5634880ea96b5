"""Reads and writes `results.jsonl` in the output folder of a batch.

The file has one record for each picture, and one for each line without pictures.
"""

import dataclasses
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cli.errors import Failure

RESULTS = "results.jsonl"


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one picture, or of a line without pictures.

    `index` is None for a line without pictures. `file` is None if no file was downloaded.
    """

    custom_id: str
    index: int | None
    file: str | None
    prompt: str | None
    seed: int | None
    status: str
    error: str | None
    sha256: str | None
    job_id: str | None


class Results:
    """The latest results of each line of a batch. New results are appended to `results.jsonl` while the batch runs.

    A crash may leave an incomplete record at the end of the file. This record is removed when the file is opened.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / RESULTS
        self._by_id: dict[str, list[Result]] = {}
        self._file = self._path.open("a+b")
        self._load()

    @staticmethod
    def is_in(folder: Path) -> bool:
        return (folder / RESULTS).exists()

    @staticmethod
    def delete(folder: Path) -> None:
        (folder / RESULTS).unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def of(self, custom_id: str) -> Sequence[Result]:
        return self._by_id.get(custom_id, ())

    @property
    def num_lines(self) -> int:
        return len(self._by_id)

    @property
    def num_pictures(self) -> int:
        return sum(result.file is not None for results in self._by_id.values() for result in results)

    def record(self, custom_id: str, results: Sequence[Result]) -> None:
        """Appends the results of a line to `results.jsonl`. They replace earlier results of the same line."""
        if self._by_id.get(custom_id) != results:
            self._by_id[custom_id] = list(results)
            self._file.write(b"".join(map(_raw, results)))
            self._file.flush()

    def settle(self, order: Iterable[str]) -> None:
        """Rewrites `results.jsonl` with only the latest results of each line, in the given order of `custom_id`s."""
        draft = self._path.with_name(f".{RESULTS}.part")
        draft.write_bytes(b"".join(_raw(result) for custom_id in order for result in self.of(custom_id)))
        draft.replace(self._path)

    def _load(self) -> None:
        self._file.seek(0)
        whole = 0
        for raw in self._file.readlines():
            if raw.endswith(b"\n"):
                self._take(raw)
                whole += len(raw)
        self._file.truncate(whole)

    def _take(self, raw: bytes) -> None:
        try:
            result = Result(**json.loads(raw))
        except (ValueError, TypeError) as error:
            raise Failure(f"{self._path} is damaged: delete it to download everything again") from error
        if not result.index:  # the results of a line are written together, and index 0 (or None) comes first
            self._by_id[result.custom_id] = []
        self._by_id[result.custom_id].append(result)


def _raw(result: Result) -> bytes:
    return json.dumps(dataclasses.asdict(result), ensure_ascii=False).encode() + b"\n"
