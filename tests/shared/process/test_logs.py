"""What a process says: its format, its libraries' lines, and what stays at hand for its last beat."""

import json
import os
import pty
import re
import subprocess
import sys
from typing import Any

_BEGIN = """
import logging, sys, threading, warnings
import structlog
from shared.process.logs import configure_logs, last_lines

configure_logs("ar", {log_format!r})
log = structlog.get_logger()
"""
_TALK = """
for number in range(100):
    log.info("step.done", number=number, text="x" * 10_000)
logging.getLogger("library").warning("a library's last word")
print(len(last_lines()), max(map(len, last_lines())), last_lines()[-1])
"""
_KINDS = """
structlog.contextvars.bind_contextvars(request_id="req_1")
log.info("render.claimed", attempt=1)
logging.getLogger("kombu.connection").warning("gone %s", "away")
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("library").exception("it broke")
    log.exception("render.crashed")
warnings.warn("an old name", DeprecationWarning)
threading.Thread(target=lambda: [][1]).start()
"""
_HOSTILE = """
log.warning("egress.failed", error="\\x1b[2Jgone\\nlevel=info forged")
"""

_HOSTILE_ERROR = """
for text in ("\\x1b[31mgone", "\\x9b31mgone\\x7f"):
    try:
        raise ValueError(text)
    except ValueError:
        log.exception("egress.failed")
        logging.getLogger("library").exception("it broke")
"""
_ADDRESSES = """
for text in (
    "can't reach https://user:SECRET@collector:4318/v1/traces",
    "Max retries exceeded with url: /v1/traces?token=SECRET (Caused by ...)",
    "GET 'http://objects:9000/v1/traces?X-Amz-Signature=SECRET' was refused",
):
    logging.getLogger("library").warning(text)
"""


def said(code: str, log_format: str = "json") -> subprocess.CompletedProcess[str]:
    text = _BEGIN.format(log_format=log_format) + code
    return subprocess.run([sys.executable, "-W", "always", "-c", text], capture_output=True, text=True, check=False)


def events(code: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said(code).stderr.splitlines()]


def test_the_last_lines_are_few_and_short_and_a_librarys_are_among_them() -> None:
    num, longest, last = said(_TALK).stdout.strip().split(" ", 2)
    assert (num, longest) == ("20", "300")
    assert json.loads(last)["message"] == "a library's last word"


def test_every_line_is_json_also_those_of_libraries_warnings_and_broken_threads() -> None:
    found = events(_KINDS)
    names = ["render.claimed", "library.said", "library.said", "render.crashed", "library.said", "thread.crashed"]
    assert [each["event"] for each in found] == names
    assert {each["role"] for each in found} == {"ar"}
    assert [each["level"] for each in found] == ["info", "warning", "error", "error", "warning", "critical"]
    assert all(each["timestamp"].endswith("Z") for each in found)
    assert [each.get("request_id") for each in found] == ["req_1"] * 5 + [None]
    assert (found[1]["logger"], found[1]["message"]) == ("kombu.connection", "gone away")
    assert "ZeroDivisionError" in found[2]["exception"]
    assert "ZeroDivisionError" in found[3]["exception"]
    assert "an old name" in found[4]["message"]
    assert "IndexError" in found[5]["exception"]


def test_the_error_that_ends_a_process_is_an_event() -> None:
    assert [each["event"] for each in events("[][1]")] == ["process.crashed"]


def test_text_has_an_event_a_line_and_plain_tracebacks() -> None:
    done = said(_KINDS, "text")
    assert "ConsoleRenderer" not in done.stderr
    lines = done.stderr.splitlines()
    assert "render.claimed" in lines[0]
    assert "request_id=req_1" in lines[0]
    assert "Traceback (most recent call last):" in lines
    assert not any(line.startswith("{") for line in lines)


def test_text_lets_nobody_write_to_the_terminal() -> None:
    (line,) = said(_HOSTILE, "text").stderr.splitlines()
    assert "\x1b[2J" not in line
    assert "x1b[2Jgone" in line


def test_no_error_and_no_json_holds_what_a_terminal_obeys() -> None:
    for log_format in ("text", "json"):
        told = said(_HOSTILE_ERROR, log_format).stderr
        assert told.count("31mgone") == 4
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", told)


def test_what_libraries_say_of_addresses_holds_no_login_and_no_query() -> None:
    for each in events(_ADDRESSES):
        assert "SECRET" not in each["message"]
        assert "/v1/traces" in each["message"]


def test_auto_is_json_in_a_pipe_and_text_in_a_terminal() -> None:
    assert said("log.info('x.y')", "auto").stderr.startswith("{")
    ours, theirs = pty.openpty()
    code = _BEGIN.format(log_format="auto") + "log.info('x.y', n=1)"
    subprocess.run([sys.executable, "-c", code], stderr=theirs, check=True)
    os.close(theirs)
    shown = os.read(ours, 4096).decode()
    os.close(ours)
    assert "x.y" in shown
    assert not shown.startswith("{")
