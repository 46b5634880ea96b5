"""Chooses the service that a command asks: the one that `--url` names, or the one that runs with the data folder."""

from pathlib import Path

import click
from click.core import ParameterSource

from cli.service.running import running_url


def asked_url(context: click.Context, data_dir: Path, url: str) -> str:
    """Returns the address of the API: that of `--url`, or else that of `gridpress up`, whatever its port."""
    if context.get_parameter_source("url") is not ParameterSource.DEFAULT:
        return url
    return running_url(data_dir) or url


def not_running(data_dir: Path) -> str:
    """Returns the message for a data folder that no service uses now."""
    return f"no service runs with the data folder {data_dir}: name its folder with --data, or start it: `gridpress up`"
