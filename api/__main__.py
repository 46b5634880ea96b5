"""`python -m api`. Whatever is imported must find gevent's sockets and locks already in place of the system's."""

from gevent import monkey

monkey.patch_all()

from api.wsgi import run  # noqa: E402 - see above
from shared.settings import Settings  # noqa: E402
from shared.starting import run_role  # noqa: E402


def _by_each_process(_settings: Settings, _role: str) -> None:
    """The parent serves no metrics."""


run_role("api", run, _by_each_process)
