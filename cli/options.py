"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from cli.up.narrator import DEFAULT_URL
from shared.settings.settings import Settings

FOLDER = click.Path(path_type=Path, file_okay=False)

url_option = click.option(
    "--url",
    default=DEFAULT_URL,
    envvar="GRIDPRESS_URL",
    show_default=True,
    show_envvar=True,
    help="Address of the API.",
)


def setting_option(flag: str, name: str, **attributes: Any) -> Callable[[Any], Any]:
    """An option for the setting `name`: its default and its environment variable are the setting's own."""
    default = Settings.model_fields[name].default
    given = {"default": default, "show_default": default is not None, "show_envvar": True, **attributes}
    return click.option(flag, name, envvar=f"GRIDPRESS_{name.upper()}", **given)
