"""Stores which finished picture may answer the same request of the same tenant again.

The index is a hint: a picture counts only if its objects exist when they are copied. So a lost entry costs one render.
"""

import hashlib
import json

from shared.ids import ObjectKey
from shared.jobs.leases import Claim
from shared.objects.inputs import content_of
from shared.store.core.connect import Client
from shared.store.core.scripts import Scripts

_VERSION = 1  # of the digest
_NUM_DIGITS = 32
_MOST = 100_000  # entries of a tenant, of about 250 bytes


class ReusablePictures:
    """Notes and finds pictures that may answer a request again, for one tenant at a time.

    Every method raises `StoreUnavailable` when the store does not answer.
    """

    def __init__(self, client: Client, kept_s: float, most: int = _MOST) -> None:
        """Creates the index. An entry ends after `kept_s` seconds. A tenant has at most `most` entries."""
        self._scripts = Scripts(client)
        self._kept_ms = int(kept_s * 1000)
        self._most = most

    def note(self, claim: Claim, key: ObjectKey) -> None:
        """Notes that the request of this claim has the finished picture with this key."""
        self._scripts.run("note_reusable", claim.tenant, digest_of(claim), key, self._kept_ms, self._most)

    def find(self, claim: Claim) -> ObjectKey | None:
        """Returns the key of an earlier picture of the same request and tenant; None if there is none."""
        found = self._scripts.run("find_reusable", claim.tenant, digest_of(claim))
        return ObjectKey(found) if found else None


def digest_of(claim: Claim) -> str:
    """Returns a digest of all that determines a picture: the settings, the seed and the revision of the model.

    A condition image counts by its content, whatever its key is. The prompt is the one that the worker renders.
    """
    settings = claim.settings.model_dump(mode="json")
    settings["images"] = [content_of(key) for key in claim.settings.images]
    facts = {"version": _VERSION, "revision": claim.revision, "seed": claim.seed, "settings": settings}
    text = json.dumps(facts, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:_NUM_DIGITS]
