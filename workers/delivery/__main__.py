"""`python -m workers.delivery`."""

from workers.delivery.main import run
from workers.main import run_worker

run_worker("delivery", run)
