"""All settings, read from `GRIDPRESS_*` once per process by its composition root, then handed on as arguments."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Every field is an environment variable: `redis_url` is `GRIDPRESS_REDIS_URL`. Times are seconds."""

    model_config = SettingsConfigDict(env_prefix="GRIDPRESS_", frozen=True, extra="ignore")

    # Store of jobs and broker of hints: one Redis or Valkey primary. None: nothing to connect to.
    redis_url: str | None = None
    # S3-compatible object store.
    s3_endpoint_url: str | None = None
    s3_public_endpoint_url: str | None = Field(
        default=None, description="what clients can reach; presigned URLs carry it, since SigV4 signs the host"
    )
    s3_bucket: str = "gridpress"
    s3_region: str = "us-east-1"
    s3_access_key: str | None = None
    s3_secret_key: SecretStr | None = None
    s3_presign_ttl_s: int = 900
    s3_links: Literal["presigned", "streamed"] = Field(
        default="presigned", description="'streamed': clients can't reach the object store, the API sends the bytes"
    )

    # What the service calls itself.
    public_url: str = "http://127.0.0.1:8000"
    served_model_name: str = "zai-org/GLM-Image"
    data_dir: Path = Path(".gridpress")
    host: str = "127.0.0.1"
    port: int = 8000
    api_threads: int = 32

    # Model and device of a worker. The device and dtype default to CUDA with bfloat16 where there is a GPU.
    model: str | None = Field(default=None, description="folder or hub id of a GLM-Image checkpoint")
    device: str | None = None
    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    low_memory: bool = Field(
        default=False, description="DiT: keep text encoder and VAE in host memory between their uses"
    )
    threads: int | None = Field(default=None, description="CPU threads of a worker; None leaves torch's own choice")
    ar_slots: int | None = Field(default=None, description="renders that one AR worker decodes at once")
    ar_kv_bytes: int | None = Field(
        default=None,
        description="KV memory; None: 6,400 tokens a slot, at most 80 % of a GPU's free memory or 2 GiB of a host's",
    )
    dit_slots: int = 2

    # Leases and retries.
    lease_ttl_s: float = 15.0
    max_attempts: int = Field(default=5, description="times a stage of one render is started before the render fails")
    drain_grace_s: float = 20.0
    ready_file: Path | None = Field(default=None, description="touched once a worker takes work; for supervisors")
    prior_ready_limit_min: int = 16
    retention_s: int = 7 * 24 * 3600

    # Limits on what a caller sends.
    max_prompt_chars: int = 8_000
    max_images: int = 8
    max_image_pixels: int = 40_000_000
    max_body_bytes: int = 64 * 1024 * 1024
    max_n: int = 16
    max_inference_steps: int = 200

    # Webhooks.
    webhook_secret: SecretStr | None = None
    webhook_timeout_s: float = 15.0
