"""`python -m workers.delivery`."""

from shared.starting import run_role
from workers.delivery.main import run

run_role("delivery", run)
