"""Every part of the project brings its own fixtures as a module; here they are only named."""

import gc
import os
import signal

import pytest
from hypothesis import settings

from shared.process.garbage import freeze_startup_objects

# What is imported and collected stays until the end, so no garbage collection has to look at it.
gc.disable()
# No example has a deadline: on a busy machine, any of them may take seconds. `make test-long` draws more examples.
settings.register_profile("gridpress", deadline=None, max_examples=int(os.environ.get("PROPERTY_EXAMPLES", "40")))
settings.load_profile("gridpress")
# A shell starts background commands deaf to Ctrl-C, and so their children, unless we have a handler of our own.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# One thread for tiny models: more would only wait for each other, and spin where other processes need the core.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(tryfirst=True)  # xdist's own runs all tests and is the last
def pytest_runtestloop() -> None:
    freeze_startup_objects()
    gc.enable()


pytest_plugins = [
    "tests.attack.report",
    "tests.fixtures.buckets",
    "tests.fixtures.checkpoint",
    "tests.fixtures.scheduling",
    "tests.fixtures.servers",
]
