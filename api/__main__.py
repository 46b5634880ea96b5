"""Starts the API (`python -m api`). gevent patches sockets and locks first, before any other module is imported."""

import os

try:
    from gevent import monkey
except ModuleNotFoundError as error:
    from shared.process.starting import end_without_package

    end_without_package("api", error)

monkey.patch_all()

from api.connections import polling  # noqa: E402 - must follow gevent's monkey patches

polling.install()

from shared.metrics.processes import count_together  # noqa: E402

if "GRIDPRESS_METRICS_PORT" in os.environ:  # imports declare metrics, so this runs before the settings are read
    count_together()

from api.wsgi import run  # noqa: E402
from shared.process.starting import run_role  # noqa: E402

run_role("api", run, forks=True)
