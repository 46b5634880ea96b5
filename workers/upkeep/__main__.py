"""`python -m workers.upkeep`."""

from workers.main import run_worker
from workers.upkeep.main import run

run_worker("upkeep", run)
