"""Starts upkeep: `python -m workers.upkeep`."""

from shared.process.starting import run_role
from workers.upkeep.main import run

run_role("upkeep", run)
