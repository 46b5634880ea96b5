"""Defines command line options that several commands share."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from gridpress.client.connection import DEFAULT_URL, service_url
from shared.settings.settings import Settings

FOLDER = click.Path(path_type=Path, file_okay=False)


def _url(_context: click.Context, _option: click.Parameter, text: str) -> str:
    try:
        return service_url(text)
    except ValueError as error:
        raise click.BadParameter(f"{text} {error}") from error


url_option = click.option(
    "--url",
    callback=_url,
    default=DEFAULT_URL,
    envvar="GRIDPRESS_URL",
    show_default=True,
    show_envvar=True,
    help="Address of the API: a URL, or HOST:PORT.",
)


def data_hint(data_dir: Path) -> str:
    """Returns ` --data DIR` for a command in a message, or '' for the default data folder of this folder.

    A folder that does not exist yet is always named, because some commands create only a folder that is named.
    """
    default = Path(Settings.model_fields["data_dir"].default).resolve()
    is_default = data_dir.resolve() == default and data_dir.exists()
    return "" if is_default else f" --data {shlex.quote(str(data_dir))}"


def setting_option(flag: str, name: str, **attributes: Any) -> Callable[[Any], Any]:
    """Returns a click option for one setting of the service, with the setting's default and environment variable."""
    default = Settings.model_fields[name].default
    given = {"default": default, "show_default": default is not None, "show_envvar": True, **attributes}
    return click.option(flag, name, envvar=f"GRIDPRESS_{name.upper()}", **given)
