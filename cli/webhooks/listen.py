"""Implements `gridpress webhooks listen`, which receives webhooks on this machine and prints them."""

import json
import queue
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from cli.errors import Failure
from cli.options import url_option
from cli.webhooks.client import WebhookClient
from cli.webhooks.listener import Listener, Received

_POLL_S = 0.2  # the longest delay until Ctrl-C is noticed


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8888, show_default=True, help="Loopback port; 0: any.")
@click.option("--register", is_flag=True, help="Add an endpoint to the service now, and delete it at the end.")
@click.option("--event", "events", multiple=True, help="With --register: send only this event; repeatable.")
@click.option("--secret", envvar="WEBHOOK_SECRET", show_envvar=True, help="Signing secret. Default: the service's.")
@click.option("--count", type=click.IntRange(1), help="End after so many valid webhooks. Default: end at Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print each body as one line of JSON.")
@url_option
def listen(
    *,
    port: int,
    register: bool,
    events: tuple[str, ...],
    secret: str | None,
    count: int | None,
    as_json: bool,
    url: str,
) -> None:
    """Receive webhooks, verify them and print them, for development.

    With --register, the service sends all events of your tenant to this command. The service must run on this machine.
    Without --register, use the printed address as the `webhook_url` of a job. Once there are API keys, the service
    sends webhooks to this machine only if it was started with GRIDPRESS_EGRESS_ALLOW=127.0.0.1.

    \b
    Example:
      gridpress webhooks listen --port 8888 --register
    """
    if events and not register:
        raise click.UsageError("--event needs --register")
    with (
        _listener(port) as listener,
        _ended_by_sigterm(),
        WebhookClient(url) as client,
        _registered(client, listener, events) if register else _trusted(client, listener, secret),
    ):
        click.echo(f"listening at {listener.url}", err=True)
        for received in _until(listener.received, count):
            click.echo(_line(received, as_json), err=received.event is None)


def _listener(port: int) -> Listener:
    try:
        return Listener(port)
    except OSError as error:
        raise Failure(f"port {port} can't be listened at ({error.strerror}): choose another --port") from error


@contextmanager
def _registered(client: WebhookClient, listener: Listener, events: tuple[str, ...]) -> Iterator[None]:
    """Adds a webhook endpoint for the listener, and deletes the endpoint when the `with` block ends.

    The listener verifies webhooks with the secret of this endpoint.
    """
    fields = {"url": listener.url, "events": list(events) or None, "description": "gridpress webhooks listen"}
    made = client.create(fields)
    try:
        listener.trust(made["secret"])
        click.echo(f"registered {made['id']} for {' '.join(made['events'])}", err=True)
        yield
    finally:
        client.delete_endpoint(made["id"])


@contextmanager
def _trusted(client: WebhookClient, listener: Listener, secret: str | None) -> Iterator[None]:
    try:
        listener.trust(secret or client.webhook_secret())
    except ValueError as error:
        raise Failure("not a webhook secret: a secret is whsec_ and base64") from error
    yield


def _until(received: "queue.Queue[Received]", count: int | None) -> Iterator[Received]:
    """Yields received webhooks, valid or not, until `count` of them had a valid signature, or until Ctrl-C."""
    num = 0
    try:
        while count is None or num < count:
            try:
                one = received.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            num += one.event is not None
            yield one
    except KeyboardInterrupt:
        return


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Handles SIGTERM like Ctrl-C until the `with` block ends, so that a registered endpoint is deleted."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before: Any = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _line(received: Received, as_json: bool) -> str:
    event = received.event
    if event is None:
        return f"refused {received.message_id or 'a request'}: it is not signed with this secret"
    if as_json:
        return json.dumps(event, ensure_ascii=False)
    data = event.get("data") or {}
    about = " ".join(str(data[name]) for name in ("id", "status") if name in data)
    return f"{event.get('timestamp')}  {event.get('type'):<16}  {about}  {received.message_id}"
