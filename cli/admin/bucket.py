"""Implements `gridpress admin bucket`, with which an operator gives a tenant its own bucket. It calls the HTTP API."""

from typing import TextIO

import click

from cli.client import Client, Json
from cli.keys.options import tenant_option
from cli.options import url_option
from cli.output.answers import json_option, print_answer
from cli.requests import in_options
from shared.ids import TenantId

_FIELDS = ("bucket", "prefix", "endpoint_url", "region", "access_key", "role_arn", "external_id")
_OPTIONS = {
    **{name: f"--{name.replace('_', '-')}" for name in _FIELDS},
    "secret_key": "--secret-key-file",
}


@click.command()
@tenant_option
@click.option("--bucket", help="Name of the bucket, which must exist. With it, the tenant gets this bucket.")
@click.option("--prefix", help="Folder in the bucket for the copies.")
@click.option("--endpoint-url", metavar="URL", help="URL of the S3 server; the default is AWS.")
@click.option("--region", help="Region of the bucket; the default is us-east-1.")
@click.option("--access-key", help="Access key. It needs --secret-key-file.")
@click.option(
    "--secret-key-file",
    type=click.File(),
    metavar="FILE",
    help="File with the secret key of the access key; - is standard input.",
)
@click.option("--role-arn", metavar="ARN", help="Role of AWS that the service assumes, instead of an access key.")
@click.option("--external-id", help="External id that the role demands.")
@click.option("--remove", is_flag=True, help="Take the bucket from the tenant. Objects in it stay.")
@json_option
@url_option
def bucket(
    tenant: TenantId, secret_key_file: TextIO | None, remove: bool, as_json: bool, url: str, **given: str | None
) -> None:
    """Show the bucket into which the finished pictures of a tenant are copied. With --bucket, change it first.

    Without an access key and a role, the service uses its own credentials. A small object is written, read and deleted
    before the bucket is accepted. A change needs an API key with the scopes `admin` and `operator`.

    \b
    Example:
      gridpress admin bucket --tenant acme --bucket acme-pictures --prefix gridpress --region eu-central-1 \\
        --role-arn arn:aws:iam::123456789012:role/gridpress --external-id acme-7
    """
    asked = {name: value for name, value in given.items() if value is not None}
    if remove and asked:
        raise click.UsageError("--remove takes no other options of a bucket")
    if asked and "bucket" not in asked:
        raise click.UsageError("name the bucket with --bucket: options that are left out are not kept")
    if "access_key" in asked:
        asked["secret_key"] = _secret_key(secret_key_file)
    with Client(url) as client, in_options(_OPTIONS):
        if remove:
            found = client.remove_bucket(tenant)
        else:
            found = client.set_bucket(tenant, asked) if asked else client.bucket(tenant)
    print_answer(found, _text(found), as_json=as_json)


def _secret_key(file: TextIO | None) -> str:
    """Returns the secret key from a file. As an option it would be in the list of processes."""
    text = file.read().strip() if file else ""
    if not text:
        raise click.UsageError("the secret key is missing: name a file with --secret-key-file")
    return text


def _text(found: Json) -> str:
    if found["bucket"] is None:
        return f"{found['tenant']} has no bucket of its own"
    where = found["endpoint_url"] or f"AWS, {found['region']}"
    how = {"key": f"access key {found['access_key']}", "role": found["role_arn"], "service": "the service's own access"}
    lines = [f"{found['location']} ({where}; {how[found['access']]})", f"waiting copies: {found['num_waiting']}"]
    if found["error"] and found.get("num_deleting"):
        lines.append(f"copies to delete: {found['num_deleting']}")
    if found["error"]:
        lines.append(f"failing since {found['failing_since']}: {found['error']}")
    if found.get("slow_request_s"):
        lines.append(f"slow: a request takes {found['slow_request_s']:.1f} s")
    return "\n".join(lines)
