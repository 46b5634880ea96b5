"""Python imports this at its start where the folder is on PYTHONPATH: then counting does nothing."""

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any

_METRICS = "prometheus_client.metrics"
_CALLS = {"Counter": ("inc",), "Gauge": ("inc", "dec", "set", "set_function"), "Histogram": ("observe",)}


class _Finder(MetaPathFinder):
    """Later than now: an API that found sockets imported before gevent's own would not work."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path, target) if fullname == _METRICS else None
        if spec and spec.loader:
            load = spec.loader.exec_module

            def load_and_silence(module: Any) -> None:
                load(module)
                _silence(module)

            spec.loader.exec_module = load_and_silence  # type: ignore[method-assign]
        return spec


def _silence(module: Any) -> None:
    module.MetricWrapperBase.labels = lambda self, *_, **__: self
    for kind, calls in {
        "Counter": ("inc",),
        "Gauge": ("inc", "dec", "set", "set_function"),
        "Histogram": ("observe",),
    }.items():
        for call in calls:
            setattr(getattr(module, kind), call, lambda *_, **__: None)


sys.meta_path.insert(0, _Finder())
