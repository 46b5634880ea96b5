"""Errors of calls to URLs that callers gave.

GridpressError
├── EgressRefused  400  the rules forbid the URL or its address; nothing was sent
└── EgressFailed   502  it did not resolve, connect, prove its name, answer in time or speak HTTP
"""

from shared.errors import GridpressError

# All that a caller is told of an address that is not public, whatever happened there.
NOTHING_TOLD = "gave no answer that can be used"


class EgressRefused(GridpressError):
    """This URL may not be called. The message is the reason, without a subject: "10.0.0.7 is private"."""

    code = "url_refused"
    http_status = 400


class EgressFailed(GridpressError):
    """The host sent no readable response. The message names the host."""

    code = "url_failed"
    http_status = 502
    retryable = True
