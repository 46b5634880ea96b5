"""The group of the webhook commands, and the secret."""

import click

from cli.client import Client
from cli.options import url_option
from cli.webhooks.endpoints import add, disable, enable, endpoints, remove, rotate
from cli.webhooks.listen import listen
from cli.webhooks.log import attempts, recover, replay, resend, test


@click.group()
def webhooks() -> None:
    """Receive webhooks, and manage endpoints and what was sent to them.

    \b
    gridpress webhooks listen --register    see every event of this service as it comes
    gridpress webhooks attempts ID          what was sent, and what was answered
    """


@webhooks.command()
@url_option
def secret(url: str) -> None:
    """Print the secret that signs webhooks of a job's own URL (Standard Webhooks, `whsec_...`).

    \b
    Example:
      export WEBHOOK_SECRET=$(gridpress webhooks secret)
    """
    with Client(url) as client:
        click.echo(client.webhook_secret())


for command in (listen, endpoints, add, remove, enable, disable, rotate, test, attempts, resend, recover, replay):
    webhooks.add_command(command)
