"""All settings, read once per process from `GRIDPRESS_*` by its composition root and passed on as arguments."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from shared.networks import read_networks
from shared.secret_files import SecretFiles
from shared.store_url import with_certificates


class Settings(BaseSettings):
    """Every field is an environment variable: `redis_url` is `GRIDPRESS_REDIS_URL`. Times are in seconds.

    A secret may be in a file instead, which `GRIDPRESS_REDIS_URL_FILE` names (shared/secret_files.py).
    """

    model_config = SettingsConfigDict(env_prefix="GRIDPRESS_", frozen=True, extra="ignore")

    # Store of jobs and broker of hints: one Redis or Valkey primary. None: nothing to connect to.
    redis_ca_file: Path | None = Field(
        default=None, description="certificates of the authorities that sign the store's, where the system lacks them"
    )
    redis_cert_file: Path | None = Field(default=None, description="certificate by which the store knows its clients")
    redis_key_file: Path | None = Field(default=None, description="key of that certificate")
    redis_url: str | None = Field(
        default=None,
        validate_default=False,
        description="redis://, rediss:// (TLS), or sentinel://HOST:26379,HOST:26379/NAME (sentinels:// with TLS)",
    )
    durability: Literal["checked", "declared", "relaxed"] = Field(
        default="checked",
        description="'checked': the store must show that it syncs every write; 'declared': it refuses CONFIG, and you "
        "vouch for that; 'relaxed': it may lose what it accepted last",
    )
    wait_replicas: int = Field(default=0, ge=0, description="replicas that must hold a job before it is accepted")
    wait_replicas_timeout_s: float = Field(default=1.0, gt=0)
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
    public_url: str = Field(
        default="http://127.0.0.1:8000",
        pattern=r"^https?://[^/?#\s]+[^?#\s]*$",
        description="where clients find the API; every link that leaves the service begins with it",
    )
    trusted_proxies: str = Field(
        default="",
        description="networks of the proxies whose `X-Forwarded-For`, `-Proto`, `-Host` and `-Prefix` are believed: "
        "10.0.0.0/8,127.0.0.1",
    )
    served_model_name: str = "zai-org/GLM-Image"
    data_dir: Path = Path(".gridpress")
    log_format: Literal["auto", "json", "text"] = Field(
        default="auto", description="'auto': text where stderr is a terminal, else JSON"
    )
    host: str = "127.0.0.1"
    port: int = 8000
    api_processes: int | None = Field(
        default=None, ge=1, description="that serve on the port; None: one for each core, at most 8"
    )
    api_connections: int = Field(
        default=2_000,
        ge=1,
        description="open at once, shared out over the processes; beyond, those without a request are closed, and "
        "further ones wait to be let in",
    )
    default_wait_s: int = Field(default=30, ge=1, description="for which an answer is held by `Prefer: wait` alone")
    max_wait_s: int = Field(default=300, ge=1, description="for which an answer is held by `Prefer: wait=N` at most")
    cors_origins: str = Field(
        default="",
        description="whose pages may call: https://app.example.com,http://localhost:5173; or *, which an API without "
        "keys takes for nobody",
    )
    images_wait_s: float = Field(
        default=540.0, gt=0, description="for pictures at /v1/images; less than the 600 s of OpenAI's client"
    )
    idle_timeout_s: float = Field(default=75.0, gt=0, description="after which an unused connection is closed")
    metrics_port: int | None = Field(
        default=None, ge=1, le=65_535, description="for Prometheus, at /metrics; None: no metrics are served"
    )
    metrics_host: str = "127.0.0.1"
    receive_timeout_s: float = Field(
        default=30.0, gt=0, description="for the head of a request, and for every MiB of its body"
    )

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

    # Device options; docs/devices.md has a profile per card size.
    share_device: bool = Field(
        default=False, description="AR and DiT worker take turns on one device, weights parked in pinned host memory"
    )
    dit_calibrate_s: float = Field(
        default=5.0, description="seconds at start in which the DiT measures which sizes to batch; 0 batches none"
    )
    dit_compile: str | None = Field(default=None, description="torch.compile backend of the transformer's blocks")
    dit_warm_up: str = Field(
        default="1024x1024", description="sizes rendered once before a compiled worker is ready, with commas between"
    )
    dit_attention: str | None = Field(default=None, description="attention backend, by diffusers' name")
    dit_fp8: bool = Field(default=False, description="weights of the transformer's linears in FP8, through torchao")
    dit_guidance_devices: str | None = Field(
        default=None, description="two devices, such as cuda:0,cuda:1: one for each guidance branch of a denoise step"
    )

    # Leases and retries.
    lease_ttl_s: float = 6.0
    poison_strikes: int = Field(
        default=5, ge=1, description="crashes with a render alone in the step, and no further than before, that fail it"
    )
    drain_grace_s: float = 20.0
    result_buffer: int = Field(
        default=16, ge=1, description="finished renders of a worker that may wait to be stored before it takes no more"
    )
    hang_steps: float = Field(default=20.0, description="a device hangs when a step lasts as long as so many others")
    hang_floor_s: float = Field(default=60.0, description="but not earlier; a VAE decode at 2048x2048 takes 8 s on CPU")
    ready_file: Path | None = Field(default=None, description="holds a worker's id once it takes work; for supervisors")
    prior_ready_limit_min: int = 16
    batch_floor: float = Field(
        default=0.1, ge=0, lt=1, description="share of each stage's work that batch gets while interactive waits, too"
    )
    retention_s: int = 7 * 24 * 3600

    # Limits on what a caller sends.
    max_prompt_chars: int = 8_000
    max_images: int = 8
    max_image_pixels: int = 40_000_000
    max_body_bytes: int = 64 * 1024 * 1024
    max_held_bytes: int = Field(
        default=512 * 1024 * 1024,
        ge=1,
        description="of bodies and pictures in memory and on disk that the API holds at once; of a tenant half",
    )
    max_n: int = 16
    max_inference_steps: int = 200

    # When to take no more work. The store refuses everything at the end of its room, so new jobs end before that.
    max_queued_renders: int = 100_000
    max_store_bytes: int | None = Field(default=None, description="the store's memory, where it sets no maxmemory")
    min_free_bytes: int = Field(default=512 * 1024 * 1024, description="on the disk of `store_dir`")
    store_dir: Path | None = Field(default=None, description="a local store's folder; `gridpress up` sets it")

    max_fetched_bytes: int = Field(default=50_000_000, description="of one image that is named by URL")
    fetch_timeout_s: float = Field(default=15.0, description="for all images that one request names by URL")

    # Idempotency-Key and files.
    idempotency_ttl_s: float = Field(default=24 * 3600.0, gt=0, description="for which answers are kept and replayed")
    max_file_bytes: int = Field(default=64 * 1024 * 1024, gt=0, description="of one file sent to /v1/files")
    max_batch_file_bytes: int = Field(default=200_000_000, gt=0, description="the same, of the purpose batch")

    # Batches.
    max_batch_lines: int = Field(default=50_000, ge=1, description="of one batch")
    batch_spare: int = Field(
        default=64, ge=1, description="renders that a batch keeps waiting beside those that the workers can hold"
    )
    batch_retention_s: int = Field(
        default=30 * 24 * 3600, ge=0, description="after its end, for which a batch can be read and retried"
    )
    batch_job_stay_s: int = Field(
        default=24 * 3600, ge=0, description="for which /v1/jobs knows a line's job once its result is stored"
    )

    # Webhooks.
    webhook_secret: SecretStr | None = None
    webhook_signing_key: SecretStr | None = Field(default=None, description="whsk_, for v1a; made once if left out")
    max_webhook_endpoints: int = Field(default=50, ge=0, description="of one tenant")
    webhook_timeout_s: float = Field(default=15.0, gt=0, description="for one attempt, whole")
    webhook_slots: int = Field(default=1024, ge=1, description="attempts that one process has under way")
    webhook_concurrency: int = Field(default=8, ge=1, description="attempts under way to one receiver")
    webhook_log_s: float = Field(default=30 * 24 * 3600.0, gt=0, description="for which attempts can be read")

    # Prompt enhancement by a chat endpoint; docs/prompt_enhancement.md. Without a URL no job can ask for it.
    enhance_base_url: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="OpenAI-compatible; without /chat/completions",
    )
    enhance_api_key: SecretStr | None = None
    enhance_model: str = "glm-4.7"
    enhance_extra_body: dict[str, Any] = Field(
        default={}, description='JSON object, added to every request: {"thinking": {"type": "disabled"}}'
    )
    enhance_timeout_s: float = Field(default=20.0, gt=0, description="for one call, whole")
    enhance_attempts: int = Field(default=2, ge=1, description="calls for one job, then it renders its own prompt")
    enhance_slots: int = Field(default=32, ge=1, description="calls that one process has in flight")
    enhance_patience_s: float = Field(
        default=60.0, gt=0, description="without a process that enhances, then a job renders its own prompt"
    )

    # Calls to addresses that callers name: images by URL and webhooks.
    egress_allow: str = Field(
        default="",
        description="networks and hosts that may be called though not public, and by http: 10.1.0.0/16,hooks.lan",
    )
    egress_allow_while_open: str = Field(
        default="", description="the same, until the first API key; `gridpress up` sets this machine's loopback"
    )

    @field_validator("redis_url")
    @classmethod
    def _has_certificates(cls, url: str | None, others: ValidationInfo) -> str | None:
        files = (others.data.get(f"redis_{kind}_file") for kind in ("ca", "cert", "key"))
        return with_certificates(url, *files) if url else url

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, text: str) -> str:
        read_networks(text)
        return text

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Returns where values come from, the most important first. An empty variable gives way to a file."""
        return init_settings, SecretFiles(settings_cls), env_settings
