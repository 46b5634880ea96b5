"""Groups the webhook commands, and implements `gridpress webhooks secret`."""

import click

from cli.client import Client
from cli.options import url_option
from cli.output.answers import json_option, print_answer
from cli.webhooks.endpoints import add, disable, enable, endpoints, remove, rotate
from cli.webhooks.listen import listen
from cli.webhooks.log import attempts, recover, replay, resend, test


@click.group()
def webhooks() -> None:
    """Receive webhooks, manage webhook endpoints, and list or resend what was sent to them.

    \b
    gridpress webhooks listen --register    print your events of this service as they happen
    gridpress webhooks attempts ID          list what was sent, and the responses
    """


@webhooks.command()
@json_option
@url_option
def secret(as_json: bool, url: str) -> None:
    """Print the secret that signs webhooks to the `webhook_url` of a job (Standard Webhooks, `whsec_...`).

    \b
    Example:
      export WEBHOOK_SECRET=$(gridpress webhooks secret)
    """
    with Client(url) as client:
        text = client.webhook_secret()
    print_answer({"secret": text}, text, as_json=as_json)


for command in (listen, endpoints, add, remove, enable, disable, rotate, test, attempts, resend, recover, replay):
    webhooks.add_command(command)
