"""What a process says last stays at hand, in bounds."""

import subprocess
import sys

_TALK = """
import logging
import structlog
from shared.logs import configure_logs, last_lines

configure_logs()
log = structlog.get_logger()
for number in range(100):
    log.info("step.done", number=number, text="x" * 10_000)
logging.getLogger("library").warning("a library's last word")
print(len(last_lines()), max(map(len, last_lines())), last_lines()[-1])
"""


def test_the_last_lines_are_few_and_short_and_a_librarys_are_among_them() -> None:
    done = subprocess.run([sys.executable, "-c", _TALK], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "20 300 a library's last word"
