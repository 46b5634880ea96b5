"""`gridpress up --metrics-port`: all roles on one page, whatever one of them does."""

import socket
from pathlib import Path

from click.testing import CliRunner
from prometheus_client import CollectorRegistry, Counter, generate_latest

from cli.main import main
from cli.stack.metrics import combined_page
from cli.stack.ports import free_ports
from shared.metrics.exposition import listen, serve


def test_a_port_that_is_taken_is_said_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        arguments = ["up", "--port", str(free_ports(1)[0]), "--metrics-port", str(taken), "--data", str(tmp_path)]
        result = CliRunner().invoke(main, arguments)
    expected = f"gridpress: port {taken} is taken: name another one with --metrics-port\n"
    assert (result.exit_code, result.stderr) == (3, expected)


def test_the_same_metric_of_two_roles_is_one_family() -> None:
    ports = {}
    for role in ("ar-0", "ar-1"):
        registry = CollectorRegistry()
        Counter("work_total", "work", registry=registry).inc(2)
        listener = listen("127.0.0.1", 0)
        ports[role] = listener.getsockname()[1]
        serve(listener, registry)
    text = generate_latest(combined_page(ports)).decode()
    assert text.count("# TYPE work_total counter") == 1
    assert 'work_total{role="ar-0"} 2.0' in text
    assert 'work_total{role="ar-1"} 2.0' in text
    assert 'gridpress_role_up{role="ar-1"} 1.0' in text


def test_a_role_that_answers_nonsense_is_down() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nonsense:
        page = combined_page({"ar-0": nonsense.getsockname()[1]})
        page_text = generate_latest(page).decode()
    assert 'gridpress_role_up{role="ar-0"} 0.0' in page_text
