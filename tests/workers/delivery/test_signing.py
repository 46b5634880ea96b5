"""Signatures of webhooks, verified as receivers do: with two libraries, and with `cryptography` alone."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import openai
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from shared.errors import Misconfigured
from shared.ids import DEFAULT_TENANT, TenantId
from shared.settings.settings import Settings
from shared.webhooks.events import PayloadStyle
from shared.webhooks.secrets import new_secret, webhook_secret
from shared.webhooks.signing_key import SigningKey
from workers.delivery.payload import payload
from workers.delivery.signing import signed_headers

# The example of Standard Webhooks 1.0.0.
SPEC_SECRET = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
SPEC_PUBLIC = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="

KEY = SigningKey(Ed25519PrivateKey.generate())
BODY = payload("job.succeeded", datetime.now(UTC), 7, PayloadStyle.FULL, {"id": "job_1", "prompt": "ein Fuchs, 狐"})


def signed(*secrets: str, key: SigningKey = KEY) -> Mapping[str, str]:
    return signed_headers("evt_1", datetime.now(UTC), BODY, secrets, key)


def verify_v1a(public_text: str, body: str, headers: Mapping[str, str]) -> None:
    """As a receiver without a library would. Raises `InvalidSignature`."""
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_text.removeprefix("whpk_")))
    [text] = [each for each in headers["webhook-signature"].split(" ") if each.startswith("v1a,")]
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{body}"
    key.verify(base64.b64decode(text.removeprefix("v1a,")), content.encode())


def unwrap(secret: str, body: str, headers: Mapping[str, str]) -> None:
    openai.OpenAI(api_key="none", webhook_secret=secret).webhooks.verify_signature(body, dict(headers))


def test_both_libraries_verify_what_is_sent() -> None:
    secret = new_secret()
    headers = signed(secret)
    assert Webhook(secret).verify(BODY, dict(headers))["data"]["prompt"] == "ein Fuchs, 狐"
    unwrap(secret, BODY, headers)


def test_the_openai_client_unwraps_a_webhook() -> None:
    secret = new_secret()
    client = openai.OpenAI(api_key="none", webhook_secret=secret)
    event = client.webhooks.unwrap(BODY, dict(signed(secret)))
    assert event.type == "job.succeeded"
    assert json.loads(BODY)["data"] == {"id": "job_1", "prompt": "ein Fuchs, 狐"}


def test_while_a_secret_is_replaced_either_verifies() -> None:
    old, new = new_secret(), new_secret()
    headers = signed(new, old)
    for secret in (old, new):
        Webhook(secret).verify(BODY, dict(headers))
        unwrap(secret, BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(BODY, dict(headers))


def test_the_public_key_alone_verifies_and_notices_any_change() -> None:
    headers = signed(new_secret())
    verify_v1a(KEY.public_text, BODY, headers)
    for change in ({"webhook-id": "evt_2"}, {"webhook-timestamp": "1"}):
        with pytest.raises(InvalidSignature):
            verify_v1a(KEY.public_text, BODY, {**headers, **change})
    with pytest.raises(InvalidSignature):
        verify_v1a(KEY.public_text, BODY + " ", headers)


@given(st.datetimes(min_value=datetime(2001, 1, 1), max_value=datetime(2100, 1, 1)))
def test_every_moment_is_signed_as_the_timestamp_says(moment: datetime) -> None:
    headers = signed_headers("evt_1", moment.replace(tzinfo=UTC), BODY, [], KEY)
    verify_v1a(KEY.public_text, BODY, headers)
    assert datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC) - moment.replace(tzinfo=UTC) <= timedelta()


def test_keys_are_written_as_the_standard_writes_them(s3_settings: Settings) -> None:
    key = SigningKey.of(s3_settings.model_copy(update={"webhook_signing_key": SecretStr(SPEC_SECRET)}))
    assert key.public_text == SPEC_PUBLIC
    x = key.jwk["x"]
    assert base64.urlsafe_b64decode(x + "=" * (-len(x) % 4)) == key.public_bytes


def test_a_tenants_key_is_its_own_and_stays_the_same() -> None:
    tenants = [DEFAULT_TENANT, TenantId("acme"), TenantId("globex")]
    keys = [KEY.of_tenant(tenant).public_text for tenant in tenants]
    assert len(set(keys)) == len(tenants)
    assert keys == [KEY.of_tenant(tenant).public_text for tenant in tenants]


def test_what_is_made_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    for make, name in ((webhook_secret, "webhook"), (lambda each: SigningKey.of(each).public_text, "webhook_signing")):
        assert make(settings) == make(settings)
        assert (tmp_path / "secrets" / name).stat().st_mode & 0o777 == 0o600
    assert len(list((tmp_path / "secrets").iterdir())) == 2


@pytest.mark.parametrize("given", ["whsk_", SPEC_PUBLIC, SPEC_SECRET[:-6], SPEC_SECRET[5:], "whsk_" + "A" * 86 + "=="])
def test_a_signing_key_that_is_none_is_refused(given: str) -> None:
    with pytest.raises(Misconfigured, match="GRIDPRESS_WEBHOOK_SIGNING_KEY"):
        SigningKey.of(Settings(webhook_signing_key=SecretStr(given)))


def test_a_thin_payload_names_what_it_is_about_and_no_more() -> None:
    body = json.loads(payload("job.failed", datetime.now(UTC), 3, PayloadStyle.THIN, {"id": "job_1", "prompt": "a"}))
    assert (body["type"], body["sequence"], body["data"]) == ("job.failed", 3, {"id": "job_1"})
