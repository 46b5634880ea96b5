"""The API as a process of tests: it is what they ask, and never what holds them up."""

import subprocess
import sys

import pytest

from shared.settings.settings import Settings
from tests.api import processes

_TALKS_MUCH = """
import sys
print('{"event": "api.listening", "port": 1}', file=sys.stderr, flush=True)
sys.stderr.write("more than any pipe takes\\n" * 100_000)
"""


def test_a_server_that_says_much_is_not_held_up(monkeypatch: pytest.MonkeyPatch, s3_settings: Settings) -> None:
    def start(_: dict[str, str]) -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, "-c", _TALKS_MUCH], stderr=subprocess.PIPE, text=True)

    monkeypatch.setattr(processes, "start", start)
    with processes.served(s3_settings, "redis://127.0.0.1:1") as talking:
        assert talking.process.wait(processes.TIMEOUT_S) == 0
