"""Implements the commands that list and change webhook endpoints."""

import click

from cli.client import Json
from cli.ids import whole_id
from cli.options import url_option
from cli.output.answers import json_option, print_answer, print_json, utc_option
from cli.output.tables import Cell, print_table
from cli.output.times import when
from cli.requests import in_options
from cli.webhooks.client import ENDPOINTS, WebhookClient

# The options and arguments that the API's names of fields stand for.
_OPTIONS = {"url": "URL", "events": "--event", "description": "--description", "headers": "--header"}

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
@utc_option
@url_option
def endpoints(limit: int, as_json: bool, utc: bool, url: str) -> None:
    """List webhook endpoints, the newest first.

    \b
    Example:
      gridpress webhooks endpoints
    """
    with WebhookClient(url) as client:
        found = client.endpoints(limit)
    if as_json:
        print_json(found)
        return
    columns = ("endpoint", "status", "failing since", "payload", "url", "events")
    print_table(columns, map(_cells, found["data"]), utc=utc)


def _cells(each: Json) -> tuple[Cell, ...]:
    status = f"{each['status']} ({each['disabled_reason']})" if each["disabled_reason"] else each["status"]
    failing_since = when(each["failing_since"])
    return each["id"], status, failing_since, each["payload"], each["url"], " ".join(each["events"])


def whole_endpoint_id(client: WebhookClient, given: str) -> str:
    """Returns the id of the webhook endpoint that a person means by the text `given`. See `cli.ids`."""
    return whole_id(client, given, "webhook endpoint", ENDPOINTS)


@click.command()
@click.argument("receiver", metavar="URL")
@click.option("--event", "events", multiple=True, help="Send only this event, such as job.failed; repeatable.")
@click.option("--description", default="", help="What the endpoint is for, in your words.")
@click.option("--thin", is_flag=True, help="Send only the id of a job, not the whole job.")
@click.option("--header", "headers", multiple=True, callback=headers_of, help="Header to send: 'Name: value'.")
@json_option
@url_option
def add(
    *,
    receiver: str,
    events: tuple[str, ...],
    description: str,
    thin: bool,
    headers: dict[str, str],
    as_json: bool,
    url: str,
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
    with WebhookClient(url) as client, in_options(_OPTIONS):
        made = client.create(fields)
    print_answer(made, made["secret"], as_json=as_json)
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
        endpoint_id = whole_endpoint_id(client, endpoint_id)
        client.delete_endpoint(endpoint_id)
    click.echo(f"{endpoint_id} removed")


@click.command()
@endpoint_argument
@json_option
@url_option
def enable(endpoint_id: str, as_json: bool, url: str) -> None:
    """Enable a disabled webhook endpoint. It receives new events again.

    \b
    Example:
      gridpress webhooks enable ep_01k9e4m3c6x2s8q5v7w1t0z9ab
    """
    with WebhookClient(url) as client:
        found = client.change(whole_endpoint_id(client, endpoint_id), "enable")
    print_answer(found, f"{found['id']} {found['status']}", as_json=as_json)


@click.command()
@endpoint_argument
@json_option
@url_option
def disable(endpoint_id: str, as_json: bool, url: str) -> None:
    """Disable a webhook endpoint. It receives no events until you enable it.

    \b
    Example:
      gridpress webhooks disable ep_01k9e4m3c6x2s8q5v7w1t0z9ab
    """
    with WebhookClient(url) as client:
        found = client.change(whole_endpoint_id(client, endpoint_id), "disable")
    print_answer(found, f"{found['id']} {found['status']}", as_json=as_json)


@click.command()
@endpoint_argument
@json_option
@url_option
def rotate(endpoint_id: str, as_json: bool, url: str) -> None:
    """Create a new secret for an endpoint and print it. For 24 hours, both secrets sign its webhooks.

    \b
    Example:
      gridpress webhooks rotate ep_01k9e4m3c6x2s8q5v7w1t0z9ab
    """
    with WebhookClient(url) as client:
        rotated = client.change(whole_endpoint_id(client, endpoint_id), "rotate_secret")
    print_answer(rotated, rotated["secret"], as_json=as_json)
    click.echo(f"The old secret also signs until {rotated['old_secret_ends_at']}.", err=True)
