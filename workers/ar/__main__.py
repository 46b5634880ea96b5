"""`python -m workers.ar`."""

from importlib import import_module

from shared.starting import run_role

# Imported inside, so that a missing torch is said in one line.
run_role("ar", lambda settings: import_module("workers.ar.main").run(settings))
