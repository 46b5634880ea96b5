"""Creates the bucket that the settings name if it does not exist. Waits up to a minute for the object store."""

import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from shared.settings.settings import Settings

_PATIENCE_S = 60.0
_PAUSE_S = 0.5


def make_bucket(settings: Settings) -> None:
    """Creates the bucket if it does not exist. Raises botocore's errors while the object store is down."""
    assert settings.s3_secret_key
    client = boto3.client(
        "s3",
        endpoint_url=settings.s3_endpoint_url,
        region_name=settings.s3_region,
        aws_access_key_id=settings.s3_access_key,
        aws_secret_access_key=settings.s3_secret_key.get_secret_value(),
        config=Config(connect_timeout=1, read_timeout=5, retries={"total_max_attempts": 1}),
    )
    if settings.s3_bucket not in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]:
        client.create_bucket(Bucket=settings.s3_bucket)


if __name__ == "__main__":
    settings = Settings()
    until_s = time.monotonic() + _PATIENCE_S
    while True:
        try:
            make_bucket(settings)
            break
        except (BotoCoreError, ClientError) as error:
            if time.monotonic() > until_s:
                sys.exit(
                    f"gridpress bucket: {settings.s3_endpoint_url} did not answer for {_PATIENCE_S:.0f} s: {error}"
                )
            time.sleep(_PAUSE_S)
