"""A server whose data was harmed is not started, whether the service starts or only that server."""

from pathlib import Path
from signal import SIGKILL

import pytest

from cli.errors import Unavailable
from cli.stack.processes.child import Child, Command
from cli.stack.processes.spawner import Spawner
from cli.stack.processes.supervised_role import Role, SupervisedRole
from cli.stack.servers.valkey import Valkey
from shared.errors import Misconfigured


class Server(Valkey):
    """Says what it is told to."""

    note: str | None = None
    harm: Exception | None = None

    def prepare(self) -> str | None:
        if self.harm:
            raise self.harm
        return self.note


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


def role_of(server: Server) -> Role:
    return Role("valkey-0", Command(("/bin/sleep", "60")), server)


def test_the_first_start_says_once_what_is_dropped(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.note = "42 bytes are dropped"
    spawn = Spawner([server], tmp_path)
    child = spawn(role_of(server))
    assert capsys.readouterr().err == "42 bytes are dropped\n"
    end(child)
    end(spawn(role_of(server)))
    assert capsys.readouterr().err == "42 bytes are dropped\n"


@pytest.mark.attack
def test_a_service_does_not_start_over_harmed_data(server: Server, tmp_path: Path) -> None:
    server.harm = Misconfigured("run `gridpress repair`")
    with pytest.raises(Misconfigured):
        Spawner([server], tmp_path)


@pytest.mark.attack
def test_data_that_cannot_be_checked_now_is_a_line_and_no_traceback(server: Server, tmp_path: Path) -> None:
    server.harm = OSError(24, "Too many open files")
    with pytest.raises(Unavailable, match=r"valkey's data can't be checked: .*Too many open files"):
        Spawner([server], tmp_path)


@pytest.mark.attack
def test_a_server_that_ended_is_not_started_over_harmed_data_and_the_supervisor_says_why(
    server: Server, tmp_path: Path
) -> None:
    spawn = Spawner([server], tmp_path)
    end(spawn(role_of(server)))
    server.harm = Misconfigured("run `gridpress repair`")
    (event,) = SupervisedRole(role_of(server), spawn).run_once(0.0, may_start=True)
    assert "run `gridpress repair`" in str(event)


def end(child: Child) -> None:
    child.stop(SIGKILL, 5.0)
