"""Implements the commands that list and change webhook endpoints."""

import json

import click
from rich.table import Table

from cli.jobs.command import json_option
from cli.options import url_option
from cli.tables import print_table
from cli.webhooks.client import WebhookClient

endpoint_argument = click.argument("endpoint_id", metavar="ENDPOINT")


def headers_of(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> dict[str, str]:
    """Parses HTTP headers in the form `NAME: VALUE`, as in curl. Raises `BadParameter` for invalid or repeated ones."""
    pairs = {name.strip(): value.strip() for name, colon, value in (text.partition(":") for text in texts) if colon}
    if len(pairs) < len(texts):
        raise click.BadParameter("give each header once, as 'Name: value'")
    return pairs


@click.command()
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="Maximum number.")
@json_option
@url_option
def endpoints(limit: int, as_json: bool, url: str) -> None:
    """List webhook endpoints, the newest first.

    \b
    Example:
      gridpress webhooks endpoints
    """
    with WebhookClient(url) as client:
        found = client.endpoints(limit)
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    table = Table("endpoint", "status", "failing since", "payload", "url", "events")
    for each in found:
        status = f"{each['status']} ({each['disabled_reason']})" if each["disabled_reason"] else each["status"]
        row = (each["id"], status, each["failing_since"] or "", each["payload"], each["url"], " ".join(each["events"]))
        table.add_row(*row)
    print_table(table)


@click.command()
@click.argument("receiver", metavar="URL")
@click.option("--event", "events", multiple=True, help="Send only this event, such as job.failed; repeatable.")
@click.option("--description", default="", help="What the endpoint is for, in your words.")
@click.option("--thin", is_flag=True, help="Send only the id of a job, not the whole job.")
@click.option("--header", "headers", multiple=True, callback=headers_of, help="Header to send: 'Name: value'.")
@url_option
def add(
    *, receiver: str, events: tuple[str, ...], description: str, thin: bool, headers: dict[str, str], url: str
) -> None:
    """Add a webhook endpoint. Prints its secret on stdout, and its id and events on stderr.

    \b
    Example:
      gridpress webhooks add https://shop.example.com/hooks --event job.succeeded
    """
    fields = {
        "url": receiver,
        "events": list(events) or None,
        "description": description,
        "payload": "thin" if thin else "full",
        "headers": headers,
    }
    with WebhookClient(url) as client:
        made = client.create(fields)
    click.echo(made["secret"])
    click.echo(f"{made['id']} receives: {' '.join(made['events'])}", err=True)


@click.command()
@endpoint_argument
@url_option
def remove(endpoint_id: str, url: str) -> None:
    """Delete a webhook endpoint and the messages that wait to be sent to it.

    \b
    Example:
      gridpress webhooks remove ep_01k9e4m3c6x2s8q5v7w1t0z9ab
    """
    with WebhookClient(url) as client:
        client.delete_endpoint(endpoint_id)
    click.echo(f"{endpoint_id} removed")


@click.command()
@endpoint_argument
@url_option
def enable(endpoint_id: str, url: str) -> None:
    """Enable a disabled webhook endpoint. It receives new events again.

    \b
    Example:
      gridpress webhooks enable ep_01k9e4m3c6x2s8q5v7w1t0z9ab
    """
    with WebhookClient(url) as client:
        click.echo(f"{endpoint_id} {client.change(endpoint_id, 'enable')['status']}")


@click.command()
@endpoint_argument
@url_option
def disable(endpoint_id: str, url: str) -> None:
    """Disable a webhook endpoint. It receives no events until you enable it.

    \b
    Example:
      gridpress webhooks disable ep_01k9e4m3c6x2s8q5v7w1t0z9ab
    """
    with WebhookClient(url) as client:
        click.echo(f"{endpoint_id} {client.change(endpoint_id, 'disable')['status']}")


@click.command()
@endpoint_argument
@url_option
def rotate(endpoint_id: str, url: str) -> None:
    """Create a new secret for an endpoint and print it. For 24 hours, both secrets sign its webhooks.

    \b
    Example:
      gridpress webhooks rotate ep_01k9e4m3c6x2s8q5v7w1t0z9ab
    """
    with WebhookClient(url) as client:
        rotated = client.change(endpoint_id, "rotate_secret")
    click.echo(rotated["secret"])
    click.echo(f"The old secret also signs until {rotated['old_secret_ends_at']}.", err=True)
