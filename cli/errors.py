"""Defines the errors of the commands. A command that fails prints one line on stderr and returns an exit status.

0  done
1  a job failed, or the service refused the request
2  the command line is wrong
3  the service cannot be reached or cannot start
"""

from collections.abc import Sequence
from typing import IO, Any

import click


class Failure(click.ClickException):
    """Raised when a command fails, for example because a job failed or the service rejected a request.

    The exit status is 1.
    """

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"gridpress: {self.format_message()}", file=file, err=file is None)


class Refused(Failure):
    """Raised when the service rejects a request. `errors` has the name of each invalid field, and a message about it.

    The name is None for an error that is not about one field.
    """

    def __init__(self, message: str, errors: Sequence[tuple[str | None, str]] = ()) -> None:
        super().__init__(message)
        self.errors = errors


class Busy(Failure):
    """Raised when the service rejects a request with status 429.

    `wait_s` is the number of seconds to wait before a retry.
    """

    def __init__(self, message: str, wait_s: float) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class Unavailable(Failure):
    """Raised when the service is unreachable or can't start. The exit status is 3."""

    exit_code = 3
