"""How every worker process begins and ends: settings read once, logs as events, one line when it cannot start."""

import logging
import sys
from collections.abc import Callable

import structlog
from pydantic import ValidationError

from shared.errors import GridpressError
from shared.settings import Settings


def run_worker(role: str, run: Callable[[Settings], None]) -> None:
    """Runs a role to its end. Exit status 1, and one line on stderr, when something it needs is missing."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
    try:
        run(Settings())
    except (GridpressError, ValidationError) as error:
        print(f"gridpress {role}: {error}", file=sys.stderr)
        sys.exit(1)
