"""Defines the errors of requests to URLs that callers gave.

GridpressError
├── EgressRefused  400  the rules forbid the URL or its address; nothing was sent
└── EgressFailed   502  the host did not resolve, connect, verify its certificate, respond in time or speak HTTP
"""

from shared.errors import GridpressError

# The only message that a caller gets about an address that is not public, whatever the error was.
NO_DETAILS = "gave no usable response"


class EgressRefused(GridpressError):
    """The service may not call this URL. The message is the reason without a subject, such as "10.0.0.7 is private"."""

    code = "url_refused"
    http_status = 400


class EgressFailed(GridpressError):
    """The host sent no readable response. The message names the host."""

    code = "url_failed"
    http_status = 502
    retryable = True
