"""What a folder knows of its batch, so that the same command goes on with it. One run at a time has the folder."""

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
    """`key` makes the file and the batch once, however often they are asked for; their ids are None until then."""

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
        """Returns how the run that was asked for differs from the one in this folder, or None."""
        if self.input_sha256 != asked.input_sha256:
            return "the file of prompts has changed since"
        changed = [name for name in {**self.settings, **asked.settings} if self._setting(name) != asked._setting(name)]
        if changed:
            return f"{', '.join(sorted(changed))} differed then"
        return None if self.url == asked.url else f"it is at {self.url}"

    def _setting(self, name: str) -> Any:
        return self.settings.get(name)


class StateFile:
    """`DIR/batch.json`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _NAME

    def read(self) -> State | None:
        try:
            return State(**json.loads(self._path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise Failure(f"{self._path} is not what it was written as: delete it to begin anew") from error

    def write(self, state: State) -> None:
        draft = self._path.with_name(f".{_NAME}.part")
        draft.write_text(json.dumps(dataclasses.asdict(state), indent=2) + "\n", encoding="utf-8")
        draft.replace(self._path)

    def forget(self) -> None:
        self._path.unlink(missing_ok=True)


@contextmanager
def taken(folder: Path) -> Iterator[None]:
    """Makes the folder if need be, and keeps other runs out of it.

    Raises `Failure` when either can't be done, and when something can't be written there meanwhile.
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
