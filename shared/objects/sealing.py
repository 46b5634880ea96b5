"""Encrypts secrets that the job store holds, such as the secret key of a tenant's bucket."""

import base64
import binascii
import hmac
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.errors import Misconfigured
from shared.settings.settings import Settings
from shared.webhooks.secret_file import load_or_create

_PREFIX = "gpk_"
_KEY_BYTES = 32
_NONCE_BYTES = 12
_WHAT_IT_IS = "must be gpk_ and the base64 of 32 bytes; after a comma, earlier keys may follow"


class SealBroken(Exception):
    """No sealing key opens this secret: the key was replaced, or the secret belongs elsewhere."""


@dataclass(frozen=True, slots=True)
class Sealing:
    """Seals secrets with AES-256-GCM. The first key seals, and every key opens, so a key can be replaced step by step.

    A sealed secret is bound to its owner. For another owner it can't be opened.
    """

    keys: tuple[bytes, ...] = field(repr=False)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Returns the sealing of the installation. If the setting is empty, a key is created once in the data folder.

        Raises `Misconfigured` if the setting is invalid, or if the data folder can't be written to.
        """
        if given := cls.given(settings):
            return given
        try:
            return cls((_read(load_or_create(_path(settings), new_sealing_key)),))
        except OSError as error:
            raise Misconfigured(f"set GRIDPRESS_SEALING_KEY: no key can be stored in {settings.data_dir}") from error

    @classmethod
    def given(cls, settings: Settings) -> Self | None:
        """Returns the sealing with the keys of the setting; None without the setting. Raises `Misconfigured`."""
        if settings.sealing_key is None:
            return None
        return cls(tuple(map(_read, settings.sealing_key.get_secret_value().split(","))))

    @classmethod
    def found(cls, settings: Settings) -> Self | None:
        """Returns the sealing of the installation as `of` does, but creates no key: None if there is none yet.

        What was sealed is opened with this one, since a new key would open nothing. A key that can't be read counts as
        none. Raises `Misconfigured` if the setting is invalid.
        """
        if given := cls.given(settings):
            return given
        try:
            return cls((_read(_path(settings).read_text()),))
        except OSError:
            return None

    @property
    def key_ids(self) -> tuple[str, ...]:
        """Returns a short id of each key, from which the key can't be computed."""
        return tuple(hmac.digest(key, b"id of a sealing key", "sha256").hex()[:8] for key in self.keys)

    def seal(self, secret: str, owner: str) -> str:
        """Returns the encrypted secret as text. The same secret is encrypted differently every time."""
        nonce = os.urandom(_NONCE_BYTES)
        return base64.b64encode(nonce + AESGCM(self.keys[0]).encrypt(nonce, secret.encode(), owner.encode())).decode()

    def open(self, sealed: str, owner: str) -> str:
        """Returns the secret in a text that `seal` returned for the same owner. Raises `SealBroken`."""
        data = base64.b64decode(sealed)
        for key in self.keys:
            try:
                return AESGCM(key).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], owner.encode()).decode()
            except InvalidTag:
                continue
        raise SealBroken


def new_sealing_key() -> str:
    """Returns a new sealing key as text: `gpk_` and the base64 of 32 random bytes."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()


def _path(settings: Settings) -> Path:
    return settings.data_dir / "secrets" / "sealing"


def _read(text: str) -> bytes:
    text = text.strip()
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not text.startswith(_PREFIX) or len(key) != _KEY_BYTES:
        raise Misconfigured(f"GRIDPRESS_SEALING_KEY {_WHAT_IT_IS}")
    return key
