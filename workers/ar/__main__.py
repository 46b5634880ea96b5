"""`python -m workers.ar`."""

from shared.starting import run_role
from workers.ar.main import run

run_role("ar", run)
