"""Tells a supervisor that a process accepts work, by a file that is written atomically.

While the disk refuses the file, it is tried again.
"""

import threading
from contextlib import suppress
from pathlib import Path

import structlog

log = structlog.get_logger()

_PAUSE_S = 1.0


def announce(path: Path | None, text: str = "") -> None:
    """Writes `text` into the file. If that fails, a thread keeps trying, while the process works."""
    if path is None or _has_written(path, text):
        return
    threading.Thread(target=_keep_trying, args=(path, text), name="ready-file", daemon=True).start()


def withdraw(path: Path | None) -> None:
    """Removes the file. A failure is ignored, since the supervisor also sees the process end."""
    if path:
        with suppress(OSError):
            path.unlink(missing_ok=True)


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
