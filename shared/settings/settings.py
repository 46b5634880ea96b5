"""All settings, read once per process from `GRIDPRESS_*` by its composition root and passed on as arguments."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from shared.settings.networks import read_networks
from shared.settings.secret_files import SecretFiles
from shared.settings.store_url import with_certificates


class Settings(BaseSettings):
    """Every field is an environment variable: `redis_url` is `GRIDPRESS_REDIS_URL`. Times are in seconds.

    A secret may be in a file instead, which `GRIDPRESS_REDIS_URL_FILE` names (shared/settings/secret_files.py).
    """

    model_config = SettingsConfigDict(env_prefix="GRIDPRESS_", frozen=True, extra="ignore", hide_input_in_errors=True)

    # Store of jobs and broker of hints: one Redis or Valkey primary. None: nothing to connect to.
    redis_ca_file: Path | None = Field(
        default=None,
        description="file with the certificates of the authorities that sign the store's; needed where the system "
        "does not know them",
    )
    redis_cert_file: Path | None = Field(
        default=None, description="file with the certificate that a process shows to the store"
    )
    redis_key_file: Path | None = Field(default=None, description="file with the key of that certificate")
    redis_url: str | None = Field(
        default=None,
        description="job store and broker: redis://, rediss:// (TLS), or sentinel://HOST:26379,HOST:26379/NAME "
        "(sentinels:// with TLS). Without it, only `gridpress up` can start: it brings its own",
    )
    durability: Literal["checked", "declared", "relaxed"] = Field(
        default="checked",
        description="'checked': the store must show that it syncs every write; 'declared': it refuses CONFIG, and "
        "you vouch for that; 'relaxed': it may lose what it accepted last",
    )
    wait_replicas: int = Field(
        default=0, ge=0, description="number of replicas that must hold a job, file or batch before it is accepted"
    )
    wait_replicas_timeout_s: float = Field(
        default=1.0, gt=0, description="how long a submission waits for the replicas of GRIDPRESS_WAIT_REPLICAS"
    )
    # S3-compatible object store.
    s3_endpoint_url: str | None = Field(
        default=None,
        description="address of the object store; unset with keys or a role: AWS. `gridpress up` brings its own "
        "unless this is set",
    )
    s3_public_endpoint_url: str | None = Field(
        default=None,
        description="address of the object store for clients; presigned URLs carry it, since SigV4 signs the host",
    )
    s3_bucket: str = Field(default="gridpress", description="bucket that holds all objects; it must exist")
    s3_region: str = Field(default="us-east-1", description="region for which requests are signed")
    s3_access_key: str | None = Field(
        default=None, description="access key; without it boto3's own chain looks for credentials, such as a role"
    )
    s3_secret_key: SecretStr | None = Field(default=None, description="secret of the access key")
    s3_presign_ttl_s: int = Field(default=900, description="how long a presigned link works")
    s3_links: Literal["presigned", "streamed"] = Field(
        default="presigned",
        description="'presigned': links to pictures lead to the object store; 'streamed': clients can't reach it, "
        "and the API sends the bytes",
    )

    # What the service calls itself.
    public_url: str = Field(
        default="http://127.0.0.1:8000",
        pattern=r"^https?://[^/?#\s]+[^?#\s]*$",
        description="address of the API for clients, with any sub-path; every link that leaves the service begins "
        "with it",
    )
    trusted_proxies: str = Field(
        default="",
        description="networks of the proxies whose `X-Forwarded-For`, `-Proto`, `-Host` and `-Prefix` are "
        "believed: 10.0.0.0/8,127.0.0.1",
    )
    served_model_name: str = Field(
        default="zai-org/GLM-Image",
        description="name of the model in responses and manifests, whichever checkpoint is loaded",
    )
    data_dir: Path = Field(
        default=Path(".gridpress"),
        description="folder of `gridpress up`: jobs, pictures, secrets and logs. Other processes make webhook "
        "secrets there if none are set",
    )
    log_format: Literal["auto", "json", "text"] = Field(
        default="auto", description="'text', 'json', or 'auto': text where stderr is a terminal, else JSON"
    )
    host: str = Field(
        default="127.0.0.1",
        description="address on which the API listens; one that is not loopback needs an API key first",
    )
    port: int = Field(default=8000, description="port of the API")
    api_processes: int | None = Field(
        default=None,
        ge=1,
        description="number of processes that serve on the port; unset: one for each core, at most 8",
    )
    api_connections: int = Field(
        default=2_000,
        ge=1,
        description="number of open connections, divided among the processes; near it idle ones are closed, at it new "
        "ones wait",
    )
    default_wait_s: int = Field(
        default=30, ge=1, description="how long an answer is held for `Prefer: wait` without a number"
    )
    max_wait_s: int = Field(default=300, ge=1, description="how long an answer is held for `Prefer: wait=N` at most")
    cors_origins: str = Field(
        default="",
        description="origins whose pages may call the API: https://app.example.com,http://localhost:5173; `*`: all, "
        "once there is an API key",
    )
    images_wait_s: float = Field(
        default=540.0,
        gt=0,
        description="how long /v1/images waits for pictures; less than the 600 s of OpenAI's client",
    )
    idle_timeout_s: float = Field(default=75.0, gt=0, description="after how long an unused connection is closed")
    metrics_port: int | None = Field(
        default=None,
        ge=1,
        le=65_535,
        description="port on which Prometheus finds /metrics; unset: no metrics are served",
    )
    metrics_host: str = Field(default="127.0.0.1", description="address on which metrics are served")
    receive_timeout_s: float = Field(
        default=30.0, gt=0, description="how long the head of a request may take, and every MiB of its body"
    )

    # Model and device of a worker. The device and dtype default to CUDA with bfloat16 where there is a GPU.
    model: str | None = Field(
        default=None,
        description="folder or hub id of a GLM-Image checkpoint; `demo` for the small model that comes with Gridpress, "
        "which is also the default without a GPU; `simulate` for pictures without a model",
    )
    device: str | None = Field(default=None, description="torch device; unset: cuda where there is a GPU, else cpu")
    dtype: Literal["float32", "bfloat16", "float16"] | None = Field(
        default=None, description="type of the weights; unset: bfloat16 on a GPU, else float32"
    )
    low_memory: bool = Field(
        default=False, description="the DiT worker keeps text encoder and VAE in host memory between their uses"
    )
    threads: int | None = Field(default=None, description="CPU threads of a worker; unset: torch decides")
    ar_slots: int | None = Field(
        default=None,
        description="number of renders that one AR worker decodes at once; unset: 32 on a GPU, 16 on a CPU",
    )
    ar_kv_bytes: int | None = Field(
        default=None,
        description="KV memory of an AR worker; unset: 6,400 tokens a slot, at most 80 % of a GPU's free memory "
        "or 2 GiB of a host's",
    )
    dit_slots: int = Field(
        default=2,
        description="number of renders that one DiT worker holds at once: one is computed, the others are prepared "
        "shortly before it ends",
    )

    cost_profile: Path | None = Field(
        default=None,
        description="profile of the DiT's device (`python -m benchmarks.profile`), from which the API and batches take "
        "what sizes cost beside each other; unset: by GLM-Image's arithmetic",
    )

    # Device options; docs/devices.md has a profile per card size.
    share_device: bool = Field(
        default=False,
        description="AR and DiT worker take turns on one device, with weights parked in pinned host memory",
    )
    dit_calibrate_s: float = Field(
        default=5.0, description="how long the DiT worker measures at its start which sizes to batch; 0 batches none"
    )
    dit_compile: str | None = Field(
        default=None, description="torch.compile backend of the transformer's blocks; unset: not compiled"
    )
    dit_warm_up: str = Field(
        default="1024x1024",
        description="sizes that a compiled worker renders once before it is ready, with commas between",
    )
    dit_attention: str | None = Field(
        default=None, description="attention backend, by diffusers' name; unset: diffusers decides"
    )
    dit_fp8: bool = Field(default=False, description="weights of the transformer's linear layers in FP8, by torchao")
    dit_guidance_devices: str | None = Field(
        default=None, description="two devices, such as cuda:0,cuda:1: one for each guidance branch of a denoise step"
    )

    # Leases and retries.
    lease_ttl_s: float = Field(
        default=6.0, description="after how long without a heartbeat a worker's renders are given to another"
    )
    poison_strikes: int = Field(
        default=5,
        ge=1,
        description="a render fails after so many crashes of its worker, each with it alone in the step and without "
        "progress",
    )
    drain_grace_s: float = Field(
        default=20.0,
        description="how long a process that is told to stop may finish its work; a container's grace period is "
        "15 s longer",
    )
    handover_ttl_s: float = Field(
        default=3600.0,
        ge=0,
        description="how long the latents of a picture that a DiT worker could not finish before it ended are kept for "
        "another; 0: none are stored",
    )
    result_buffer: int = Field(
        default=16,
        ge=1,
        description="number of finished renders that may wait to be stored before a worker takes no more",
    )
    hang_steps: float = Field(
        default=20.0, description="a device counts as hung when a step takes as long as so many usual ones"
    )
    hang_floor_s: float = Field(
        default=60.0, description="a step may take at least this long; a VAE decode at 2048x2048 takes 8 s on a CPU"
    )
    ready_file: Path | None = Field(
        default=None, description="file that holds a worker's id while it takes work; for supervisors"
    )
    prior_ready_limit_min: int = Field(
        default=16,
        description="AR makes no more token grids while so many wait for the DiT; 4 for each live DiT slot, if that "
        "is more",
    )
    batch_floor: float = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="share of each stage's work that batch jobs get while interactive ones wait, too",
    )
    retention_s: int = Field(
        default=7 * 24 * 3600, description="how long a job can be read after its end; its pictures stay"
    )
    target_wait_s: float = Field(
        default=60.0,
        gt=0,
        description="how long a waiting render should wait at most; `wanted_workers` in /v1/stats follows from it",
    )

    # Limits on what a caller sends.
    max_prompt_chars: int = Field(default=8_000, description="characters of a prompt")
    max_images: int = Field(default=8, description="condition images of one request")
    max_image_pixels: int = Field(default=40_000_000, description="pixels of one condition image, before it is scaled")
    max_body_bytes: int = Field(default=64 * 1024 * 1024, description="bytes of a request's body")
    max_held_bytes: int = Field(
        default=512 * 1024 * 1024,
        ge=1,
        description="bytes of bodies and pictures that the API holds at once in memory and on disk; a tenant gets half",
    )
    max_n: int = Field(default=16, description="pictures of one request")
    max_inference_steps: int = Field(default=200, description="denoise steps of one request")

    # When to take no more work. The store refuses everything at the end of its room, so new jobs end before that.
    max_queued_renders: int = Field(
        default=100_000, description="renders that may wait before new jobs are refused with 429"
    )
    max_store_bytes: int | None = Field(
        default=None, description="the store's memory, where it sets no maxmemory itself"
    )
    min_free_bytes: int = Field(
        default=512 * 1024 * 1024, description="free bytes on the disk of `store_dir` below which new jobs are refused"
    )
    store_dir: Path | None = Field(
        default=None, description="folder of a store on this machine, whose disk is watched; `gridpress up` sets it"
    )

    max_fetched_bytes: int = Field(default=50_000_000, description="bytes of one image that a request names by URL")
    fetch_timeout_s: float = Field(default=15.0, description="how long fetching all images of one request may take")

    # Idempotency-Key and files.
    idempotency_ttl_s: float = Field(
        default=24 * 3600.0, gt=0, description="how long answers under an Idempotency-Key are kept and replayed"
    )
    max_file_bytes: int = Field(default=64 * 1024 * 1024, gt=0, description="bytes of one file sent to /v1/files")
    max_batch_file_bytes: int = Field(
        default=200_000_000, gt=0, description="bytes of one file that is sent with `purpose=batch`"
    )

    # Batches.
    max_batch_lines: int = Field(default=50_000, ge=1, description="lines of one batch")
    batch_spare: int = Field(
        default=64,
        ge=1,
        description="number of renders that the batches of one tenant and class keep waiting beside those that the "
        "workers can hold",
    )
    batch_retention_s: int = Field(
        default=30 * 24 * 3600, ge=0, description="how long a batch can be read and retried after its end"
    )
    batch_job_stay_s: int = Field(
        default=24 * 3600, ge=0, description="how long /v1/jobs knows a batch line's job once its result is stored"
    )

    # Webhooks.
    webhook_secret: SecretStr | None = Field(
        default=None,
        description="secret of the `v1` signatures, whsec_...; unset: made once in `data_dir`. All processes need "
        "the same",
    )
    webhook_signing_key: SecretStr | None = Field(
        default=None,
        description="private key of the `v1a` signatures, whsk_...; unset: made once in `data_dir`. All processes "
        "need the same",
    )
    max_webhook_endpoints: int = Field(default=50, ge=0, description="number of webhook endpoints of one tenant")
    webhook_timeout_s: float = Field(
        default=15.0, gt=0, description="how long one attempt to deliver a webhook may take"
    )
    webhook_slots: int = Field(default=1024, ge=1, description="number of attempts that one process has under way")
    webhook_concurrency: int = Field(default=8, ge=1, description="number of attempts under way to one receiver")
    webhook_log_s: float = Field(default=30 * 24 * 3600.0, gt=0, description="how long attempts can be read")

    # Prompt enhancement by a chat endpoint; docs/prompt_enhancement.md. Without a URL no job can ask for it.
    enhance_base_url: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="address of an OpenAI-compatible API, without /chat/completions; unset: no job can ask for an "
        "enhanced prompt",
    )
    enhance_api_key: SecretStr | None = Field(default=None, description="key for that API")
    enhance_model: str = Field(default="glm-4.7", description="model that writes prompts out")
    enhance_extra_body: dict[str, Any] = Field(
        default={}, description='JSON object that is added to every request: {"thinking": {"type": "disabled"}}'
    )
    enhance_timeout_s: float = Field(default=20.0, gt=0, description="how long one call may take")
    enhance_attempts: int = Field(
        default=2, ge=1, description="number of calls for one job; after them it renders its own prompt"
    )
    enhance_slots: int = Field(default=32, ge=1, description="number of calls that one process has in flight")
    enhance_patience_s: float = Field(
        default=60.0,
        gt=0,
        description="how long a job waits while no process enhances; after that it renders its own prompt",
    )

    # Calls to addresses that callers name: images by URL and webhooks.
    egress_allow: str = Field(
        default="",
        description="networks and hosts that webhooks and image URLs may reach though they are not public, also "
        "by http: 10.1.0.0/16,hooks.lan",
    )
    egress_allow_while_open: str = Field(
        default="", description="as GRIDPRESS_EGRESS_ALLOW, until the first API key; `gridpress up` sets loopback"
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
