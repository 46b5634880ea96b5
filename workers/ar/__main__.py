"""Starts an AR worker: `python -m workers.ar`."""

from importlib import import_module

from shared.process.starting import run_role
from shared.settings.settings import Settings
from workers.model.lean_imports import leave_out_scipy
from workers.model.simulated import is_simulated


def run(settings: Settings) -> None:
    """Runs the AR worker, or the simulated AR worker if the settings name the simulated model.

    The worker's module is imported inside this function. So a missing torch is reported in one line, and a simulated
    worker starts without torch.
    """
    leave_out_scipy()
    import_module("workers.simulate.ar" if is_simulated(settings.model) else "workers.ar.main").run(settings)


run_role("ar", run)
