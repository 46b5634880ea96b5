"""Starts the API (`python -m api`). gevent replaces sockets and locks before anything else is imported."""

import os

try:
    from gevent import monkey
except ModuleNotFoundError as error:
    from shared.process.starting import end_without_package

    end_without_package("api", error)

monkey.patch_all()

from api.server import polling  # noqa: E402 - see above

polling.install()

from shared.metrics.processes import count_together  # noqa: E402

if "GRIDPRESS_METRICS_PORT" in os.environ:  # earlier than any setting is read: metrics are declared by imports
    count_together()

from api.wsgi import run  # noqa: E402
from shared.process.starting import run_role  # noqa: E402

run_role("api", run, forks=True)
