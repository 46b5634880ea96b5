"""Starts a process: configures logging, reads settings, and prints one line on stderr when it cannot start."""

import sys
from collections.abc import Callable
from typing import NoReturn

import structlog
from pydantic import ValidationError
from pydantic_settings import SettingsError

from shared.errors import GridpressError, Misconfigured, MissingCheckpoint
from shared.metrics.exposition import expose
from shared.process.background import end_role_with_its_threads
from shared.process.logs import configure_logs
from shared.process.ready_file import withdraw
from shared.settings.faults import faults_of
from shared.settings.settings import Settings
from shared.settings.unknown_variables import say_unknown
from shared.tracing.spans import flush_traces, start_tracing

log = structlog.get_logger()

EXIT_MISCONFIGURED = 78  # EX_CONFIG of sysexits.h: the same again would fail again


def run_role(role: str, run: Callable[[Settings], None], *, forks: bool = False) -> None:
    """Runs a role to its end. One that `forks` starts tracing and serves metrics itself, in its children.

    Exits with 78 when it can never start: a setting is invalid, or a checkpoint or package is missing. Exits with 1
    when a server that it needs does not answer; the next start may succeed.
    """
    try:
        settings = Settings()
        configure_logs(role, settings.log_format)
        if not forks:
            start_tracing(role)
            expose(settings, role)
        for each in say_unknown():
            log.warning("settings.unknown", variable=each.variable, nearest=each.nearest)
        withdraw(settings.ready_file)  # on a volume it outlives a container that was killed
        end_role_with_its_threads(settings.ready_file)
        run(settings)
    except (ValidationError, SettingsError) as error:
        _end(role, faults_of(error), EXIT_MISCONFIGURED)
    except (Misconfigured, MissingCheckpoint) as error:
        _end(role, str(error), EXIT_MISCONFIGURED)
    except GridpressError as error:
        _end(role, str(error), 1)
    except ModuleNotFoundError as error:
        end_without_package(role, error)
    finally:
        flush_traces()


def end_without_package(role: str, error: ModuleNotFoundError) -> NoReturn:
    """Names the package that is missing and the extra that brings it, and exits with 78."""
    extra = role if role == "api" else "workers"
    _end(role, f"{error}: pip install 'gridpress[{extra}]' brings what this role needs", EXIT_MISCONFIGURED)


def _end(role: str, why: str, status: int) -> NoReturn:
    print(f"gridpress {role}: {why}", file=sys.stderr)
    sys.exit(status)
