"""`python -m api`. Whatever is imported must find gevent's sockets and locks already in place of the system's."""

from gevent import monkey

monkey.patch_all()

from api.wsgi import run  # noqa: E402 - see above
from shared.starting import run_role  # noqa: E402

run_role("api", run)
