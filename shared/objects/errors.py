"""Translates boto3's errors into errors of Gridpress."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from shared.errors import ObjectNotFound, ObjectStoreUnavailable


@contextmanager
def translated() -> Iterator[None]:
    """Translates errors of boto3 that the body of the `with` statement raises. An error about a missing key becomes
    `ObjectNotFound`, and any other error `ObjectStoreUnavailable`.
    """
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchKey":
            raise ObjectNotFound(f"no such object: {error}") from error
        raise ObjectStoreUnavailable(f"the object store refuses: {error}") from error
    except BotoCoreError as error:
        raise ObjectStoreUnavailable(f"the request to the object store failed: {error}") from error
