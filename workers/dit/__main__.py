"""`python -m workers.dit`."""

from shared.starting import run_role
from workers.dit.main import run

run_role("dit", run)
