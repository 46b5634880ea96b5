"""Offers the first API key the pictures that were made while no API key existed."""

import sys
from typing import TYPE_CHECKING

import click

from shared.ids import DEFAULT_TENANT, TenantId

if TYPE_CHECKING:
    from shared.store.access.keys import KeyStore


def first_tenant(store: "KeyStore", tenant: TenantId) -> TenantId:
    """Returns the tenant of a new API key: `tenant`, or the default tenant if a person at a terminal prefers it.

    Jobs that were made without an API key belong to the default tenant. So the first API key of another tenant does not
    see them. Asks only then, and prints the way to them where nobody can answer.
    """
    if tenant == DEFAULT_TENANT or store.has_any() or not store.has_jobs(DEFAULT_TENANT):
        return tenant
    click.echo(f"The pictures that were made without an API key belong to the tenant {DEFAULT_TENANT}.", err=True)
    if not is_answered():
        click.echo(f"A key that sees them: gridpress keys create --tenant {DEFAULT_TENANT}", err=True)
        return tenant
    question = f"Create this key for the tenant {DEFAULT_TENANT} instead of {tenant}, so that it sees them?"
    return DEFAULT_TENANT if click.confirm(question, err=True) else tenant


def is_answered() -> bool:
    """Returns whether a person can answer a question: stdin and stderr are a terminal."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
