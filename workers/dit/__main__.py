"""`python -m workers.dit`."""

from importlib import import_module

from shared.process.starting import run_role
from shared.settings.settings import Settings
from workers.simulate.spec import is_simulated


def run(settings: Settings) -> None:
    """Imported inside, so that a missing torch is said in one line, and a simulated engine starts without it."""
    import_module("workers.simulate.dit" if is_simulated(settings.model) else "workers.dit.main").run(settings)


run_role("dit", run)
