"""Saves which batch belongs to an output folder, so that a later run continues it.

Locks the folder, so that only one run uses it at a time.
"""

import dataclasses
import fcntl
import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TextIO

from cli.errors import Failure

_NAME = "batch.json"


@dataclass(frozen=True, slots=True)
class State:
    """The saved state of the batch that belongs to an output folder.

    The uploaded file and the batch are created with idempotency keys that begin with `key`. So a repeated request
    creates nothing twice. `file_id` and `batch_id` are None until the service has returned them.
    """

    url: str
    input_sha256: str
    settings: Mapping[str, Any]
    key: str
    file_id: str | None = None
    batch_id: str | None = None

    @classmethod
    def new(cls, url: str, input_sha256: str, settings: Mapping[str, Any]) -> Self:
        return cls(url, input_sha256, settings, key=secrets.token_hex(16))

    def why_another(self, asked: Self) -> str | None:
        """Returns how the requested run differs from the saved one, or None if the run may continue the saved batch."""
        if self.input_sha256 != asked.input_sha256:
            return "the file of prompts has changed since"
        changed = [name for name in {**self.settings, **asked.settings} if self._setting(name) != asked._setting(name)]
        if changed:
            return f"{', '.join(sorted(changed))} differed when it was created"
        return None if self.url == asked.url else f"its service is at {self.url}"

    def _setting(self, name: str) -> Any:
        return self.settings.get(name)


class StateFile:
    """Reads and writes the state of a batch in the file `batch.json` of its output folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _NAME

    def read(self) -> State | None:
        try:
            return State(**json.loads(self._path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise Failure(f"{self._path} is damaged: delete it to start a new batch") from error

    def write(self, state: State) -> None:
        draft = self._path.with_name(f".{_NAME}.part")
        draft.write_text(json.dumps(dataclasses.asdict(state), indent=2) + "\n", encoding="utf-8")
        draft.replace(self._path)

    def delete(self) -> None:
        self._path.unlink(missing_ok=True)


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Locks an output folder against other runs until the `with` block ends. Creates the folder if it is missing.

    Raises `Failure` when the folder can't be created or locked, or when the code in the `with` block can't write a
    file.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f".{_NAME}.lock").open("a") as lock:
            _lock(lock, folder)
            yield
    except OSError as error:
        raise Failure(f"can't write to {folder} ({error.strerror})") from error


def _lock(file: TextIO, folder: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise Failure(f"another `gridpress batch run` is at work in {folder}") from error
