"""Names the objects that hold condition images. Does no I/O."""

import re
import secrets

from shared.ids import ObjectKey, TenantId

INPUTS = "inputs/"
_DIGEST = re.compile(r"[0-9a-f]{64}")


def folder_of_inputs(tenant: TenantId) -> str:
    """Returns the prefix of the keys of a tenant's condition images. Earlier releases wrote `inputs/<SHA-256>.png`."""
    return f"{INPUTS}{tenant}/"


def new_input_key(tenant: TenantId, digest: str) -> ObjectKey:
    """Returns a new object key for a condition image whose bytes have this SHA-256.

    The random end makes each key unique. So the deletion of an old object can't hit a later object with equal bytes.
    """
    return ObjectKey(f"{folder_of_inputs(tenant)}{digest}-{secrets.token_hex(8)}.png")


def content_of(key: ObjectKey) -> str:
    """Returns the SHA-256 in the key of a condition image. Returns the whole key if it has none."""
    found = _DIGEST.search(key)
    return found[0] if found else key
