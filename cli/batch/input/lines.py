"""The lines of a batch as they are uploaded, and where each came from.

Keeps no prompts in memory: 50,000 of them may be 200 MB.
"""

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

from cli.batch.input.prompts import NATIVE_ENDPOINT, Fault, Line, read
from cli.batch.results.names import Names
from cli.errors import Failure

_MOST_FAULTS = 20
_WINDOW = "24h"  # OpenAI's only one
_MOST_PICTURES = 100  # of one line; a line that asks for more than any service makes needs no names for them


@dataclass(frozen=True, slots=True)
class Place:
    """Where a line stands: `number` in the file of prompts, `offset` in that of the batch. `stem` names its files."""

    number: int
    offset: int
    stem: str
    n: int


@dataclass(frozen=True, slots=True)
class Lines:
    """`file` is what is uploaded; `sha256` is of its bytes. `places` is by `custom_id`, in order."""

    file: IO[bytes]
    sha256: str
    endpoint: str
    places: Mapping[str, Place]
    numbers: Sequence[int]

    def of_file(self, file_id: str) -> dict[str, str]:
        """What a batch of these lines has in any case, once they are uploaded."""
        return {"input_file_id": file_id, "endpoint": self.endpoint, "completion_window": _WINDOW}

    def prompt(self, custom_id: str) -> str | None:
        """As it was asked for."""
        self.file.seek(self.places[custom_id].offset)
        body = json.loads(self.file.readline())["body"]
        prompt = body.get("prompt") if isinstance(body, dict) else None
        return prompt if isinstance(prompt, str) else None

    def number(self, line: int | None) -> int | None:
        """The line of the file of prompts that became this line of the batch; both from 1."""
        return self.numbers[line - 1] if line and line <= len(self.numbers) else None


@contextmanager
def batch_lines(path: Path) -> Iterator[Lines]:
    """The file of prompts as a batch. Raises `Failure` with the lines that can't be read, or the file's reason."""
    with tempfile.TemporaryFile() as file:
        try:
            with path.open("rb") as prompts:
                lines = _converted(path, prompts, file)
        except OSError as error:
            raise Failure(f"{path} can't be read ({error.strerror})") from error
        file.seek(0)
        yield lines


def _converted(path: Path, prompts: IO[bytes], file: IO[bytes]) -> Lines:
    writer = _Writer(file)
    faults = list(islice(filter(None, map(writer.take, read(path, prompts))), _MOST_FAULTS))
    if faults:
        said = [f"line {fault.number} {fault.why}" for fault in faults]
        more = ["..."] if len(faults) == _MOST_FAULTS else []
        raise Failure("\n  ".join([f"{path} can't be used:", *said, *more]))
    if not writer.places:
        raise Failure(f"{path} has no lines")
    return Lines(file, writer.digest.hexdigest(), writer.endpoint, writer.places, writer.numbers)


class _Writer:
    """Writes lines of a batch one after the other."""

    def __init__(self, file: IO[bytes]) -> None:
        self.digest = hashlib.sha256()
        self.endpoint = NATIVE_ENDPOINT
        self.places: dict[str, Place] = {}
        self.numbers: list[int] = []
        self._file = file
        self._offset = 0
        self._names = Names()

    def take(self, entry: Line | Fault) -> Fault | None:
        """Writes a line, or answers what is wrong with it."""
        if isinstance(entry, Fault):
            return entry
        custom_id = entry.fields.get("custom_id")
        if not isinstance(custom_id, str) or not custom_id:
            return Fault(entry.number, "has no custom_id, which is a text")
        if custom_id in self.places:
            return Fault(entry.number, f"has the custom_id {custom_id!r} of line {self.places[custom_id].number}")
        try:
            raw = json.dumps(entry.fields, ensure_ascii=False).encode() + b"\n"
        except UnicodeEncodeError:
            return Fault(entry.number, "holds a lone surrogate")
        self._write(entry, custom_id, raw)
        return None

    def _write(self, entry: Line, custom_id: str, raw: bytes) -> None:
        n = _n(entry.fields["body"])
        self.endpoint = self.endpoint if self.places else str(entry.fields["url"])
        self.places[custom_id] = Place(entry.number, self._offset, self._names.stem(custom_id, n), n)
        self.numbers.append(entry.number)
        self.digest.update(raw)
        self._file.write(raw)
        self._offset += len(raw)


def _n(body: Any) -> int:
    """Pictures that a line asks for; 1 where the service will refuse it anyway."""
    n = body.get("n", 1) if isinstance(body, dict) else 1
    return n if type(n) is int and 1 <= n <= _MOST_PICTURES else 1
