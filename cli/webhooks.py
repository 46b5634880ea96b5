"""`gridpress webhooks`: what a receiver needs to know."""

import click

from cli.client import Client
from cli.options import url_option


@click.group()
def webhooks() -> None:
    """Receive webhooks."""


@webhooks.command()
@url_option
def secret(url: str) -> None:
    """Print the secret that signs webhooks (Standard Webhooks, `whsec_...`).

    \b
    Example:
      export WEBHOOK_SECRET=$(gridpress webhooks secret)
    """
    with Client(url) as client:
        click.echo(client.webhook_secret())
