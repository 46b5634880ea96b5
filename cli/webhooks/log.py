"""Implements the commands that list webhook attempts and send messages again."""

import re
from datetime import UTC, datetime, timedelta

import click

from cli.client import Json
from cli.ids import NEWEST, whole_job_id
from cli.options import url_option
from cli.output.answers import json_option, print_answer, print_json, utc_option
from cli.output.tables import Cell, print_table
from cli.output.times import when
from cli.webhooks.client import WebhookClient
from cli.webhooks.endpoints import endpoint_argument, whole_endpoint_id

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_AGO = re.compile(r"(\d{1,6})([smhd])")


def _moment(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    """Converts `2h` to the time two hours ago. Returns other text unchanged, because the API checks it."""
    ago = _AGO.fullmatch(text or "")
    if not ago:
        return text
    moment = datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    return moment.isoformat(timespec="milliseconds")


since_option = click.option(
    "--since", required=True, callback=_moment, help="Start: 30m, 2h or 3d ago, or 2026-01-05T09:30:00Z."
)
until_option = click.option("--until", callback=_moment, help="End, in the form of --since. Default: now.")


@click.command()
@click.argument("name", metavar="ID")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="Maximum number of attempts.")
@json_option
@utc_option
@url_option
def attempts(name: str, *, limit: int, as_json: bool, utc: bool, url: str) -> None:
    """List the webhook attempts for an endpoint, a job or a message, the newest first. @last is the newest job.

    \b
    Example:
      gridpress webhooks attempts ep_01k9e4m3c6x2s8q5v7w1t0z9ab
    """
    with WebhookClient(url) as client:
        found = client.attempts(_whole(client, name), limit)
    if as_json:
        print_json(found)
        return
    columns = ("at", "message", "no.", "to", "ms", "status", "error or response")
    print_table(columns, map(_cells, found["data"]), prose=True, utc=utc)


@click.command()
@click.argument("message_id", metavar="MESSAGE")
@click.option("--endpoint", "endpoint_id", help="Send only to this endpoint. Default: all receivers of the message.")
@json_option
@url_option
def resend(message_id: str, endpoint_id: str | None, as_json: bool, url: str) -> None:
    """Send one webhook message again, with the same message id.

    \b
    Example:
      gridpress webhooks resend evt_01k9e4m3c6x2s8q5v7w1t0z9ab_job_succeeded
    """
    with WebhookClient(url) as client:
        endpoint_id = endpoint_id and whole_endpoint_id(client, endpoint_id)
        found = client.resend(message_id, endpoint_id)
    print_answer(found, f"{found['num_messages']} due", as_json=as_json)


@click.command()
@endpoint_argument
@since_option
@until_option
@json_option
@url_option
def recover(endpoint_id: str, since: str, until: str | None, as_json: bool, url: str) -> None:
    """Send an endpoint the events again whose delivery failed for good since a given time.

    \b
    Example:
      gridpress webhooks recover ep_01k9e4m3c6x2s8q5v7w1t0z9ab --since 2d
    """
    _again(url, endpoint_id, "recover", since, until, as_json=as_json)


@click.command()
@endpoint_argument
@since_option
@until_option
@json_option
@url_option
def replay(endpoint_id: str, since: str, until: str | None, as_json: bool, url: str) -> None:
    """Send an endpoint all events of a period again, including those that it received.

    \b
    Example:
      gridpress webhooks replay ep_01k9e4m3c6x2s8q5v7w1t0z9ab --since 2026-01-05T09:00:00Z --until 2026-01-05T10:00:00Z
    """
    _again(url, endpoint_id, "replay", since, until, as_json=as_json)


@click.command()
@endpoint_argument
@json_option
@url_option
def test(endpoint_id: str, as_json: bool, url: str) -> None:
    """Send the event `webhook_endpoint.test` to an endpoint and print the id of the message.

    \b
    Example:
      gridpress webhooks test ep_01k9e4m3c6x2s8q5v7w1t0z9ab
    """
    with WebhookClient(url) as client:
        found = client.change(whole_endpoint_id(client, endpoint_id), "test")
    print_answer(found, found["id"], as_json=as_json)


def _again(url: str, endpoint_id: str, action: str, since: str, until: str | None, *, as_json: bool) -> None:
    num_due, going_on = 0, True
    with WebhookClient(url) as client:
        endpoint_id = whole_endpoint_id(client, endpoint_id)
        while going_on:
            sent = client.change(endpoint_id, action, {"since": since, "until": until})
            num_due, going_on = num_due + sent["num_messages"], bool(sent.get("has_more"))
            since = sent.get("next") or since
    print_answer({"num_messages": num_due}, f"{num_due} due", as_json=as_json)


def _whole(client: WebhookClient, name: str) -> str:
    if name == NEWEST or name.startswith("job_"):
        return whole_job_id(client, name)
    return name if name.startswith("evt_") else whole_endpoint_id(client, name)


def _cells(each: Json) -> tuple[Cell, ...]:
    to, outcome = each["endpoint_id"] or each["url"], str(each["error"] or each["answer"])
    return when(each["at"]), each["message_id"], each["attempt"], to, each["latency_ms"], each["status"], outcome
