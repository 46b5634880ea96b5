"""A simulated worker of some revision: `python -m tests.upgrade.worker ar r2`. All others share one revision."""

import runpy
import sys

import workers.model.simulated
from shared.ids import Revision

if __name__ == "__main__":
    role, revision = sys.argv[1:]
    workers.model.simulated.REVISION = Revision(revision)
    runpy.run_module(f"workers.{role}", run_name="__main__")
