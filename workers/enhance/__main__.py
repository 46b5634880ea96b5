"""Starts an enhancement worker: `python -m workers.enhance`."""

from shared.process.starting import run_role
from workers.enhance.main import run

run_role("enhance", run)
