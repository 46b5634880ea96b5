"""`python -m workers.ar`."""

from workers.ar.main import run
from workers.main import run_worker

run_worker("ar", run)
