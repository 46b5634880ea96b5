"""How every process begins: logs as events, settings read once, and one line on stderr when it cannot start."""

import sys
from collections.abc import Callable

from pydantic import ValidationError

from shared.errors import GridpressError
from shared.logs import configure_logs
from shared.settings import Settings


def run_role(role: str, run: Callable[[Settings], None]) -> None:
    """Runs a role to its end. Exit status 1 when something that it needs is missing or a setting cannot work."""
    configure_logs()
    try:
        run(Settings())
    except ValidationError as error:
        faults = (f"GRIDPRESS_{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
        sys.exit(f"gridpress {role}: {'; '.join(faults)}")
    except GridpressError as error:
        sys.exit(f"gridpress {role}: {error}")
    except ModuleNotFoundError as error:
        extra = role if role == "api" else "workers"
        sys.exit(f"gridpress {role}: {error}: pip install 'gridpress[{extra}]' brings what this role needs")
