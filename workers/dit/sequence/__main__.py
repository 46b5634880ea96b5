"""Starts the process of a further device of a DiT worker: `python -m workers.dit.sequence`."""

from importlib import import_module

from workers.model.lean_imports import leave_out_scipy

leave_out_scipy()
import_module("workers.dit.sequence.helper").main()
