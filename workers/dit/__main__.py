"""`python -m workers.dit`."""

from importlib import import_module

from shared.starting import run_role

# Imported inside, so that a missing torch is said in one line.
run_role("dit", lambda settings: import_module("workers.dit.main").run(settings))
