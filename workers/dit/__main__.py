"""`python -m workers.dit`."""

from workers.dit.main import run
from workers.main import run_worker

run_worker("dit", run)
