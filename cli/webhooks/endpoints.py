"""Commands that list and change webhook endpoints."""

import json

import click
from rich.table import Table

from cli.jobs.command import json_option
from cli.options import url_option
from cli.tables import print_table
from cli.webhooks.client import WebhookClient

endpoint_argument = click.argument("endpoint_id", metavar="ENDPOINT")


def headers_of(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> dict[str, str]:
    """`NAME: VALUE`, as curl takes them."""
    pairs = {name.strip(): value.strip() for name, colon, value in (text.partition(":") for text in texts) if colon}
    if len(pairs) < len(texts):
        raise click.BadParameter("give each one once, as 'Name: value'")
    return pairs


@click.command()
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="How many.")
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
@click.option("--event", "events", multiple=True, help="Only this one, such as job.failed; may be given several times.")
@click.option("--description", default="", help="What it is for, in your words.")
@click.option("--thin", is_flag=True, help="Send only the id of a job.")
@click.option("--header", "headers", multiple=True, callback=headers_of, help="Sent with each: 'Name: value'.")
@url_option
def add(
    *, receiver: str, events: tuple[str, ...], description: str, thin: bool, headers: dict[str, str], url: str
) -> None:
    """Add an endpoint. Prints its secret alone on stdout, its id on stderr.

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
    click.echo(f"{made['id']} is told: {' '.join(made['events'])}", err=True)


@click.command()
@endpoint_argument
@url_option
def remove(endpoint_id: str, url: str) -> None:
    """Delete an endpoint, and what waits to be sent to it.

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
    """Send to an endpoint again that was disabled.

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
    """Send nothing more to an endpoint.

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
    """Give an endpoint a new secret and print it. For 24 hours the old one signs, too.

    \b
    Example:
      gridpress webhooks rotate ep_01k9e4m3c6x2s8q5v7w1t0z9ab
    """
    with WebhookClient(url) as client:
        rotated = client.change(endpoint_id, "rotate_secret")
    click.echo(rotated["secret"])
    click.echo(f"The old one signs until {rotated['old_secret_ends_at']}.", err=True)
