"""Writes and removes the ready file, which tells a supervisor that a process accepts work.

The file is written atomically. A write that fails is repeated until it succeeds.
"""

import threading
from contextlib import suppress
from pathlib import Path

import structlog

log = structlog.get_logger()

_PAUSE_S = 1.0


def announce(path: Path | None, text: str = "") -> None:
    """Creates the ready file with this text. If that fails, a thread tries again every second until the file is
    written.
    """
    if path is None or _has_written(path, text):
        return
    threading.Thread(target=_keep_trying, args=(path, text), name="ready-file", daemon=True).start()


def start_file(ready_file: Path) -> Path:
    """Returns the file beside a ready file in which a process says how far its start is, while it starts."""
    return ready_file.with_suffix(".starting")


def withdraw(path: Path | None) -> None:
    """Removes the ready file, and the file of an earlier start. A failure is ignored, because the supervisor also
    notices the end of the process.
    """
    if path:
        with suppress(OSError):
            path.unlink(missing_ok=True)
            start_file(path).unlink(missing_ok=True)


def _keep_trying(path: Path, text: str) -> None:
    pause = threading.Event()
    while not _has_written(path, text):
        pause.wait(_PAUSE_S)
    log.info("ready_file.written", path=str(path))


def _has_written(path: Path, text: str) -> bool:
    draft = path.with_suffix(".writing")
    try:
        draft.write_text(text)
        draft.replace(path)
    except OSError as error:
        log.warning("ready_file.failed", path=str(path), error=str(error))
        return False
    return True
