"""How a command fails: one line on stderr and an exit status.

0  done
1  a job failed, or the service refused the request
2  the command line is wrong
3  the service cannot be reached or cannot start
"""

from typing import IO, Any

import click


class Failure(click.ClickException):
    """A job that failed or a request that was refused."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"gridpress: {self.format_message()}", file=file, err=file is None)


class Busy(Failure):
    """The service has been asked too much, and says when to ask again."""

    def __init__(self, message: str, wait_s: float) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class Unavailable(Failure):
    """The service does not answer, or cannot start."""

    exit_code = 3
