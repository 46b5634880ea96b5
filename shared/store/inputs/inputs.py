"""Records which jobs use the condition images in the object store. The scripts that create and delete jobs write the
same records (inputs.lua).
"""

from collections.abc import Sequence
from typing import cast

from shared.access.limits import refuse_more_stored
from shared.errors import TenantBeingErased, TenantLimitReached
from shared.ids import ObjectKey, TenantId
from shared.objects.inputs import new_input_key
from shared.store.core.connect import Client, translated
from shared.store.core.scripts import Scripts

# The longest time from the hold to the job that uses the image. Fetching, decoding and storing images takes at most
# minutes. The image of a request that was refused afterwards is deleted when its hold ends.
_HOLD_S = 3600


class InputStore:
    """Records which jobs use condition images. Every method raises `StoreUnavailable` when the store does not
    answer.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._scripts = Scripts(client)

    def hold(self, tenant: TenantId, images: Sequence[tuple[str, int]]) -> list[ObjectKey]:
        """Returns the object key for each condition image of a request. `images` has the SHA-256 and the number of
        bytes of each image, in order. Equal images of a tenant share an object. Call this before the images are stored.

        For an hour, none of these objects is deleted. `JobStore.submit` then records that the new job uses them.
        Raises `TenantBeingErased`, and `TenantLimitReached` if the images would exceed the tenant's stored bytes.
        """
        args = [part for digest, size in images for part in (digest, new_input_key(tenant, digest), size)]
        match self._scripts.run("hold_inputs", tenant, _HOLD_S * 1000, *args):
            case ["erasing"]:
                raise TenantBeingErased
            case ["full", num_bytes, most, more]:
                raise TenantLimitReached(refuse_more_stored(num_bytes, most, more))
            case [_, *keys]:
                return cast("list[ObjectKey]", keys)
        raise AssertionError("unreachable")

    def unused(self, most: int) -> list[ObjectKey]:
        """Returns up to `most` objects to delete: condition images that no job uses. No job can use them any more.

        Every call returns the same objects until `forget` is called for them.
        """
        return cast("list[ObjectKey]", self._scripts.run("unused_inputs", most))

    def put_off(self, key: ObjectKey, delay_s: float) -> None:
        """Postpones the deletion of an object by `delay_s`. Call this after a failed deletion, so that other objects
        get their turn.
        """
        self._scripts.run("put_off", "inputs_doomed", key, int(delay_s * 1000))

    def forget(self, key: ObjectKey) -> None:
        """Removes an object from the list of objects to delete. Call this when the object is deleted."""
        with translated():
            self._client.zrem("gridpress:inputs_doomed", key)
