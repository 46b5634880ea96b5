"""Adds a switch to prometheus_client for the benchmark of metrics.

Python imports this module at its start if the folder is on PYTHONPATH. The switch is the first byte of the file that
METRICS_SWITCH names; 0 switches counting off.
"""

import mmap
import os
import sys
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

_METRICS = "prometheus_client.metrics"
_CALLS = {"Counter": ("inc",), "Gauge": ("inc", "dec", "set"), "Histogram": ("observe",)}


class _Finder(MetaPathFinder):
    """Adds the switch when prometheus_client is imported.

    Importing the library here would import sockets before gevent patches them, and the API would not work.
    """

    def __init__(self, switch: mmap.mmap) -> None:
        self._switch = switch

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path, target) if fullname == _METRICS else None
        if spec and spec.loader:
            load = spec.loader.exec_module

            def load_with_switch(module: Any) -> None:
                load(module)
                self._put_switches_on(module)

            spec.loader.exec_module = load_with_switch  # type: ignore[method-assign]
        return spec

    def _put_switches_on(self, module: Any) -> None:
        for kind, calls in _CALLS.items():
            for call in calls:
                count = getattr(getattr(module, kind), call)
                setattr(getattr(module, kind), call, self._switched(count))

    def _switched(self, count: Callable[..., None]) -> Callable[..., None]:
        switch = self._switch

        def call(metric: Any, *args: Any, **named: Any) -> None:
            if switch[0]:
                count(metric, *args, **named)

        return call


if "METRICS_SWITCH" in os.environ:
    with Path(os.environ["METRICS_SWITCH"]).open("rb") as file:
        sys.meta_path.insert(0, _Finder(mmap.mmap(file.fileno(), 1, access=mmap.ACCESS_READ)))
