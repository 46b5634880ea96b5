"""Starts a batch worker: `python -m workers.batches`."""

from shared.process.starting import run_role
from workers.batches.main import run

run_role("batch", run)
