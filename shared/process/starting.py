"""Starts the process of a role: reads settings, configures logging, and prints one line on stderr if the role can't
start.
"""

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
from shared.settings.unknown_variables import unreported_variables
from shared.tracing.spans import flush_traces, start_tracing

log = structlog.get_logger()

EXIT_MISCONFIGURED = 78  # EX_CONFIG of sysexits.h: another start with the same settings would fail again


def run_role(role: str, run: Callable[[Settings], None], *, forks: bool = False) -> None:
    """Runs a role until it ends. Set `forks` for a role that forks child processes, which then start tracing and serve
    metrics themselves.

    The process exits with 78 if the role can never start: a setting is invalid, or a checkpoint or package is missing.
    It exits with 1 if a server that the role needs is unreachable, because the next start may succeed.
    """
    try:
        settings = Settings()
        configure_logs(role, settings.log_format)
        if not forks:
            start_tracing(role)
            expose(settings, role)
        for each in unreported_variables():
            log.warning("settings.unknown", variable=each.variable, nearest=each.nearest)
        withdraw(settings.ready_file)  # on a volume, the file of a killed container still exists
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
    """Ends a role that lacks a Python package. Prints the package and the extra of Gridpress that installs it, and
    exits with status 78.
    """
    extra = role if role == "api" else "workers"
    _end(
        role,
        f"the package {error.name} is missing: pip install 'gridpress[{extra}]' installs what this role needs",
        EXIT_MISCONFIGURED,
    )


def _end(role: str, why: str, status: int) -> NoReturn:
    print(f"gridpress {role}: {why}", file=sys.stderr)
    sys.exit(status)
