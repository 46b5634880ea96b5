"""Converts a file of prompts to the lines of a batch, and remembers each line's number in the file of prompts.

Holds the prompts on disk and not in memory, because 50,000 prompts may have 200 MB.
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
_WINDOW = "24h"  # the only value that OpenAI's format has
_MOST_PICTURES = 100  # for one line; the service rejects a line that asks for more, so its pictures need no names


@dataclass(frozen=True, slots=True)
class Place:
    """Describes where one line of a batch comes from and how its picture files are named.

    `number` is its line number in the file of prompts, counted from 1. `offset` is the position of its first byte in
    the uploaded file. The line asks for `n` pictures, and the names of their files begin with `stem`.
    """

    number: int
    offset: int
    stem: str
    n: int


@dataclass(frozen=True, slots=True)
class Lines:
    """All lines of one batch, converted from a file of prompts.

    `file` is the file to upload, and `sha256` is the digest of its bytes. `places` maps each `custom_id` to the place
    of its line, in the order of the lines. `numbers` lists the line numbers of these lines in the file of prompts.
    """

    file: IO[bytes]
    sha256: str
    endpoint: str
    places: Mapping[str, Place]
    numbers: Sequence[int]

    def of_file(self, file_id: str) -> dict[str, str]:
        """Returns the fields that a request must have to create a batch of these lines.

        `file_id` is the id of the uploaded file.
        """
        return {"input_file_id": file_id, "endpoint": self.endpoint, "completion_window": _WINDOW}

    def prompt(self, custom_id: str) -> str | None:
        """Returns the prompt of the line with this `custom_id`, or None if its prompt is missing or not text."""
        self.file.seek(self.places[custom_id].offset)
        body = json.loads(self.file.readline())["body"]
        prompt = body.get("prompt") if isinstance(body, dict) else None
        return prompt if isinstance(prompt, str) else None

    def number(self, line: int | None) -> int | None:
        """Converts a line number of the batch file to one of the file of prompts. Returns None for an unknown line.

        The batch file is the file that is uploaded. Both numbers start at 1. They differ, for example, after a blank
        line or the header of a CSV file.
        """
        return self.numbers[line - 1] if line and line <= len(self.numbers) else None


@contextmanager
def batch_lines(path: Path) -> Iterator[Lines]:
    """Converts a file of prompts to the lines of a batch, in a temporary file that exists until the `with` block ends.

    Raises `Failure`, which lists the invalid lines or says why the file can't be read.
    """
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
    """Writes the lines of a batch to the file for upload, one after another.

    Records the position of each line in that file, and its line number in the file of prompts.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.digest = hashlib.sha256()
        self.endpoint = NATIVE_ENDPOINT
        self.places: dict[str, Place] = {}
        self.numbers: list[int] = []
        self._file = file
        self._offset = 0
        self._names = Names()

    def take(self, entry: Line | Fault) -> Fault | None:
        """Writes one line of the batch to the file. Returns None, or a `Fault` if the line can't be used."""
        if isinstance(entry, Fault):
            return entry
        custom_id = entry.fields.get("custom_id")
        if not isinstance(custom_id, str) or not custom_id:
            return Fault(entry.number, "has no custom_id, or one that is not text")
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
    """Returns the number of pictures that a line asks for.

    Returns 1 for an invalid number, because the service then rejects the line.
    """
    n = body.get("n", 1) if isinstance(body, dict) else 1
    return n if type(n) is int and 1 <= n <= _MOST_PICTURES else 1
