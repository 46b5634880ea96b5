"""What boto3 raises, in our words."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from shared.errors import ObjectNotFound, ObjectStoreUnavailable


@contextmanager
def translated() -> Iterator[None]:
    """Raises `ObjectNotFound` for a key that is not there, `ObjectStoreUnavailable` for all else."""
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchKey":
            raise ObjectNotFound(f"no such object: {error}") from error
        raise ObjectStoreUnavailable(f"the object store refuses: {error}") from error
    except BotoCoreError as error:
        raise ObjectStoreUnavailable(f"the object store does not answer as it should: {error}") from error
