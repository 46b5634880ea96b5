"""Says to a supervisor that a process takes work: a file that appears in one piece, as soon as the disk allows it."""

import threading
from contextlib import suppress
from pathlib import Path

import structlog

log = structlog.get_logger()

_PAUSE_S = 1.0


def announce(path: Path | None, text: str = "") -> None:
    """Writes `text` into the file. Where that fails, a thread tries until it does not: the process works meanwhile."""
    if path is None or _has_written(path, text):
        return
    threading.Thread(target=_keep_trying, args=(path, text), name="ready-file", daemon=True).start()


def withdraw(path: Path | None) -> None:
    """Takes the file away. Where that fails, whoever supervises sees the process end."""
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
