"""Starts a DiT worker: `python -m workers.dit`."""

from importlib import import_module

from shared.process.starting import run_role
from shared.settings.settings import Settings
from workers.model.lean_imports import leave_out_scipy
from workers.model.simulated import is_simulated


def run(settings: Settings) -> None:
    """Runs the DiT worker, or the simulated DiT worker if the settings name the simulated model.

    The worker's module is imported inside this function. So a missing torch is reported in one line, and a simulated
    worker starts without torch.
    """
    leave_out_scipy()
    import_module("workers.simulate.dit" if is_simulated(settings.model) else "workers.dit.main").run(settings)


run_role("dit", run)
