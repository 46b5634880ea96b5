"""Starts a delivery worker: `python -m workers.delivery`."""

from shared.process.starting import run_role
from workers.delivery.main import run

run_role("delivery", run)
