"""`DIR/results.jsonl`: what became of every picture and every failed line. Grows while a batch runs."""

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
    """One picture, or a line that never became pictures: then `index` is None. `file` is None when there is none."""

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
    """The last word on each line. A record that a crash cut off is as if it had never been written."""

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
    def forget(folder: Path) -> None:
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
        """Whatever was recorded of this line before counts no more."""
        if self._by_id.get(custom_id) != results:
            self._by_id[custom_id] = list(results)
            self._file.write(b"".join(map(_raw, results)))
            self._file.flush()

    def settle(self, order: Iterable[str]) -> None:
        """Rewrites the file in the order of the lines, each result once."""
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
            raise Failure(f"{self._path} is not what it was written as: delete it to fetch everything again") from error
        if not result.index:  # a line's results are written together, its first picture's in front
            self._by_id[result.custom_id] = []
        self._by_id[result.custom_id].append(result)


def _raw(result: Result) -> bytes:
    return json.dumps(dataclasses.asdict(result), ensure_ascii=False).encode() + b"\n"
