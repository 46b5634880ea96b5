"""What a worker's process leaves out."""

import sys
from importlib.util import find_spec

import pytest

from workers.model.lean_imports import leave_out_scipy


def test_scipy_is_not_found_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "modules", {name: module for name, module in sys.modules.items() if name != "scipy"})
    leave_out_scipy()
    assert find_spec("scipy") is None
