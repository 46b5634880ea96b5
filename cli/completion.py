"""Implements `gridpress completion`, which completes commands and options in a shell."""

import os
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from cli.errors import Failure

_VARIABLE = "_GRIDPRESS_COMPLETE"
_HOMES = {"XDG_DATA_HOME": ".local/share", "XDG_CONFIG_HOME": ".config"}
# Where the shells look for the completions of a command by themselves. zsh needs a line in ~/.zshrc.
_PLACES = {
    "bash": ("XDG_DATA_HOME", "bash-completion/completions/gridpress"),
    "fish": ("XDG_CONFIG_HOME", "fish/completions/gridpress.fish"),
    "zsh": ("XDG_DATA_HOME", "zsh/site-functions/_gridpress"),
}


@click.command()
@click.argument("shell", type=click.Choice(sorted(_PLACES)))
@click.option("--install", is_flag=True, help="Write the script to where the shell finds it, and print its path.")
@click.pass_context
def completion(context: click.Context, shell: str, install: bool) -> None:
    """Print the script that completes commands and options of `gridpress` in a shell.

    \b
    Examples:
      gridpress completion bash --install
      eval "$(gridpress completion zsh)"
    """
    kind = get_completion_class(shell)
    assert kind
    script = kind(context.find_root().command, {}, "gridpress", _VARIABLE).source()
    if not install:
        click.echo(script)
        return
    path = _place(shell)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{script}\n")
    except OSError as error:
        raise Failure(f"{path} can't be written: {error.strerror}") from error
    click.echo(path)
    if shell == "zsh":
        click.echo(f"Add to ~/.zshrc, before compinit: fpath=({path.parent} $fpath)", err=True)


def _place(shell: str) -> Path:
    variable, name = _PLACES[shell]
    home = os.environ.get(variable) or Path.home() / _HOMES[variable]
    return Path(home) / name
