"""Asks for the answer of a content check or a text check, and turns a failure into the code of a problem."""

from collections.abc import Callable
from typing import TypeVar

import structlog

from shared.errors import ObjectNotFound, ObjectStoreUnavailable, StoreUnavailable
from shared.store.checks.checks import CheckClaim
from workers.delivery.content.errors import NoVerdict

log = structlog.get_logger()

_MOST_CLAIMS = 3  # claims of one check; after that its workers may have died because of it

_Answer = TypeVar("_Answer")


def answer_to(
    claim: CheckClaim, ask: Callable[[CheckClaim], _Answer], check: str, **facts: str
) -> tuple[_Answer | None, str]:
    """Returns the answer of `ask` and ''; or None and the code of the problem, which is logged.

    `check` is "content_check" or "text_check": the names of the log's events begin with it. `facts` are logged, too.
    After several claims of the same check, `ask` is not called any more. Raises `StoreUnavailable`, because the check
    is then due again when its lease ends.
    """
    no_verdict, crashed = f"{check}.no_verdict", f"{check}.crashed"
    if claim.attempt > _MOST_CLAIMS:
        log.warning(no_verdict, **facts, reason="worker_lost", error="every worker that carried out the check died")
        return None, "worker_lost"
    try:
        return ask(claim), ""
    except NoVerdict as error:
        log.warning(no_verdict, **facts, reason=error.reason, error=str(error))
        return None, error.reason
    except (ObjectNotFound, ObjectStoreUnavailable) as error:
        log.warning(no_verdict, **facts, reason=error.code, error=str(error))
        return None, error.code
    except StoreUnavailable:
        raise
    except Exception:
        log.exception(crashed, **facts)
        return None, "internal_error"
