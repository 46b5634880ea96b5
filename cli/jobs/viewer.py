"""Opens pictures with the program that this machine has for them."""

from collections.abc import Iterable
from pathlib import Path

import click

from cli.errors import Failure


def open_pictures(paths: Iterable[Path]) -> None:
    """Opens files with the desktop's program for pictures. Raises `Failure` if there is no desktop."""
    for path in paths:
        if click.launch(str(path)):
            raise Failure(f"no program opens pictures here (xdg-open is missing): the picture is {path}")
