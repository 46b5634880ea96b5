"""`gridpress repair` on a folder whose store lost half: what had ended is found again in the object store."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.main import main
from cli.stack.servers.choice import with_servers
from cli.stack.servers.ledger import LedgerFile, compare
from cli.stack.servers.valkey import Valkey
from shared.ids import DEFAULT_TENANT, JobId
from shared.jobs.states import JobStatus
from shared.objects.store import ObjectStore
from shared.responses.job import job_response
from shared.settings.settings import Settings
from shared.store.core.connect import connect
from shared.store.core.ledger import LedgerStore
from shared.store.jobs.jobs import JobStore
from tests.shared.store.builders import submitted
from workers.delivery.manifest import write_manifest


def a_folder_with_jobs(data_dir: Path) -> list[JobId]:
    settings, servers = with_servers(Settings(data_dir=data_dir))
    for server in servers:
        server.launch()
    with connect(settings.redis_url) as client:
        jobs, made = JobStore(client), []
        for _ in range(6):
            job = jobs.cancel(submitted(jobs).job_id, DEFAULT_TENANT)
            write_manifest(ObjectStore(settings), job, job_response(job, "http://127.0.0.1", "GLM-Image"))
            made.append(job.job_id)
        compare(LedgerFile(data_dir / "valkey"), LedgerStore(client))
    for server in servers:
        server.stop()
    return made


@pytest.mark.attack
@pytest.mark.parametrize("is_cut_clean", [True, False])
def test_what_had_ended_is_found_again(tmp_path: Path, is_cut_clean: bool) -> None:
    jobs = a_folder_with_jobs(tmp_path)
    log = tmp_path / "valkey" / "appendonlydir" / "appendonly.aof.1.incr.aof"
    os.truncate(log, log.stat().st_size // 2)
    if not is_cut_clean:
        log.with_name("appendonly.aof.manifest").unlink()
    result = CliRunner().invoke(main, ["repair", "--data", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "accepted jobs are gone" in result.output
    assert "jobs that had ended were found again" in result.output
    server = Valkey(tmp_path)
    server.start()
    with connect(server.url) as client:
        found = [JobStore(client).job(job, DEFAULT_TENANT).status for job in jobs]
        assert LedgerStore(client).loss() is None
    server.stop()
    assert found == [JobStatus.CANCELLED] * len(jobs)


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["repair", "--data", str(tmp_path / "none")])
    assert (result.exit_code, (tmp_path / "none").exists()) == (2, False)
