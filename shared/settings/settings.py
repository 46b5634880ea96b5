"""Defines all settings. Each process reads them from `GRIDPRESS_*` variables once, at its start, and passes them on as
arguments.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from shared.settings.audit import AuditSettings
from shared.settings.buckets import BucketSettings
from shared.settings.content import ContentSettings
from shared.settings.enhancement import EnhancementSettings
from shared.settings.fp8 import Fp8, fp8_setting
from shared.settings.labels import LabelSettings
from shared.settings.model_names import read_model_names
from shared.settings.networks import read_networks
from shared.settings.secret_files import SecretFiles
from shared.settings.store_url import with_certificates
from shared.settings.tenants import TenantSettings
from shared.settings.texts import TextSettings
from shared.settings.webhooks import WebhookSettings


class Settings(
    WebhookSettings,
    EnhancementSettings,
    LabelSettings,
    TenantSettings,
    AuditSettings,
    ContentSettings,
    TextSettings,
    BucketSettings,
):
    """All settings. Each field is an environment variable: `redis_url` is `GRIDPRESS_REDIS_URL`. Times are in seconds.

    A secret can be in a file instead. The variable `GRIDPRESS_REDIS_URL_FILE` names that file
    (shared/settings/secret_files.py).
    """

    model_config = SettingsConfigDict(env_prefix="GRIDPRESS_", frozen=True, extra="ignore", hide_input_in_errors=True)

    # The job store, which is also the broker of hints: one Redis or Valkey primary.
    redis_ca_file: Path | None = Field(
        default=None,
        description="file with the CA certificates that sign the store's certificate; needed if the system does "
        "not trust them",
    )
    redis_cert_file: Path | None = Field(
        default=None, description="file with the client certificate that a process presents to the store"
    )
    redis_key_file: Path | None = Field(default=None, description="file with the private key of the client certificate")
    redis_url: str | None = Field(
        default=None,
        description="URL of the job store, which is also the broker of hints: redis://, rediss:// (TLS), "
        "unix:///PATH (a socket), or sentinel://HOST:26379,HOST:26379/NAME (sentinels:// with TLS). Without it only "
        "`gridpress up` can start, which starts its own store",
    )
    celery_events: bool = Field(
        default=False,
        description="workers publish Celery's task events and heartbeats, for Flower and `celery events`",
    )
    durability: Literal["checked", "declared", "relaxed"] = Field(
        default="checked",
        description="how strictly the store must keep accepted data. 'checked': the process verifies that the "
        "store syncs every write to disk. 'declared': the store does not permit CONFIG, and you "
        "guarantee the syncing. 'relaxed': the store may lose the data that it accepted last",
    )
    wait_replicas: int = Field(
        default=0,
        ge=0,
        description="number of store replicas that must have a job, file or batch before it is accepted",
    )
    wait_replicas_timeout_s: float = Field(
        default=1.0,
        gt=0,
        description="longest time that a submission waits for the replicas of GRIDPRESS_WAIT_REPLICAS",
    )
    # S3-compatible object store.
    s3_endpoint_url: str | None = Field(
        default=None,
        description="URL of the object store. If it is not set but keys or a role of the machine are, AWS is "
        "used. `gridpress up` starts its own object store unless this is set",
    )
    s3_public_endpoint_url: str | None = Field(
        default=None,
        description="URL of the object store for clients. Presigned links are made for this URL, because SigV4 "
        "signs the host name",
    )
    s3_bucket: str = Field(default="gridpress", description="bucket that holds all objects; it must exist")
    s3_region: str = Field(default="us-east-1", description="region for which requests are signed")
    s3_access_key: str | None = Field(
        default=None,
        description="access key of the object store. Without it, boto3 searches for credentials, such as the role "
        "of the machine",
    )
    s3_secret_key: SecretStr | None = Field(default=None, description="secret key that belongs to the access key")
    s3_presign_ttl_s: int = Field(default=900, description="time for which a presigned link is valid")
    s3_links: Literal["auto", "presigned", "streamed"] = Field(
        default="auto",
        description="how clients get pictures. 'presigned': links lead to the object store. 'streamed': the API "
        "sends the bytes, for clients that can't reach the object store. 'auto': presigned, unless the object store "
        "has an address that only this machine or its containers know",
    )

    # Names and addresses of the service.
    public_url: str = Field(
        default="http://127.0.0.1:8000",
        pattern=r"^https?://[^/?#\s]+[^?#\s]*$",
        description="URL of the API for clients, with a sub-path if there is one. Every link in responses and "
        "webhooks begins with it",
    )
    trusted_proxies: str = Field(
        default="",
        description="networks of the reverse proxies whose `X-Forwarded-For`, `-Proto`, `-Host` and `-Prefix` "
        "headers are trusted, such as 10.0.0.0/8,127.0.0.1",
    )
    served_model_name: str = Field(
        default="zai-org/GLM-Image",
        description="name of the model in responses and manifests, whichever checkpoint is loaded",
    )
    model_aliases: str = Field(
        default="",
        description="further names of the model that requests may use, for clients with fixed names, such as "
        "dall-e-3,gpt-image-1. /v1/models lists them",
    )
    data_dir: Path = Field(
        default=Path(".gridpress"),
        description="folder in which `gridpress up` stores jobs, pictures, secrets and logs. Other processes "
        "create webhook secrets in it if none are set",
    )
    log_format: Literal["auto", "json", "text"] = Field(
        default="auto",
        description="format of the log: 'text', 'json', or 'auto' (text if stderr is a terminal, otherwise JSON)",
    )
    host: str = Field(
        default="127.0.0.1",
        description="address on which the API listens. The API listens on an address that is not loopback only "
        "once an API key exists",
    )
    port: int = Field(default=8000, description="port on which the API listens")
    api_processes: int | None = Field(
        default=None,
        ge=1,
        description="number of API processes that serve the port. If unset: one for each CPU core, at most 8",
    )
    api_connections: int = Field(
        default=2_000,
        ge=1,
        description="maximum number of open client connections, divided among the API processes. Near the "
        "maximum, idle connections are closed; at the maximum, new connections wait",
    )
    default_wait_s: int = Field(
        default=30, ge=1, description="longest time that a response is held for `Prefer: wait` without a number"
    )
    max_wait_s: int = Field(
        default=240,
        ge=1,
        description="longest time that a response is held for `Prefer: wait=N`, whatever N is. Node's client waits "
        "300 s for a response",
    )
    cors_origins: str = Field(
        default="",
        description="origins whose web pages may call the API, such as "
        "https://app.example.com,http://localhost:5173. `*` allows all origins, once an API key "
        "exists",
    )
    images_wait_s: float = Field(
        default=240.0,
        gt=0,
        description="longest time that the routes of OpenAI and Z.ai wait for pictures, also with `stream`. A retry of "
        "the request then waits for the same job. Clients in Node, and Z.ai's, wait 300 s for a response",
    )
    stream_limit_s: float = Field(
        default=600.0,
        gt=0,
        description="longest time that a stream of events stays open. A client then reconnects with the id of the last "
        "event, as browsers do by themselves",
    )
    idle_timeout_s: float = Field(default=75.0, gt=0, description="time after which an unused connection is closed")
    metrics_port: int | None = Field(
        default=None,
        ge=1,
        le=65_535,
        description="port on which the process serves /metrics to Prometheus. If unset, no metrics are served",
    )
    metrics_host: str = Field(default="127.0.0.1", description="address on which metrics are served")
    receive_timeout_s: float = Field(
        default=30.0, gt=0, description="timeout for receiving the head of a request, and for each MiB of its body"
    )

    # Model and device of a worker.
    model: str | None = Field(
        default=None,
        description="folder or Hugging Face id of a GLM-Image checkpoint; `demo` for the small demonstration "
        "model of Gridpress, which is the default without a GPU; `simulate` for test pictures without "
        "a model",
    )
    model_revision: str | None = Field(
        default=None,
        description="commit, tag or branch of a model of the Hugging Face hub. If unset, `gridpress up` takes the "
        "newest commit at its start for all workers, and a worker that is started alone takes the newest",
    )
    device: str | None = Field(
        default=None, description="torch device of the worker. If unset: cuda if there is a GPU, otherwise cpu"
    )
    dtype: Literal["float32", "bfloat16", "float16"] | None = Field(
        default=None, description="data type of the model weights. If unset: bfloat16 on a GPU, otherwise float32"
    )
    low_memory: bool = Field(
        default=False,
        description="true: the DiT worker moves text encoder and VAE to host memory while they are not in use",
    )
    threads: int | None = Field(default=None, description="number of CPU threads of a worker. If unset, torch decides")
    ar_slots: int | None = Field(
        default=None,
        description="number of renders that one AR worker decodes at once. If unset: 32 on a GPU, 16 on a CPU",
    )
    ar_kv_bytes: int | None = Field(
        default=None,
        description="size of the KV cache of an AR worker. If unset: 6,400 tokens per slot, at most 80 % of the "
        "GPU's free memory, or 2 GiB on a CPU",
    )
    ar_eager: bool = Field(
        default=False,
        description="true: an AR worker on a GPU decodes without a CUDA graph if it can't record one. It is then "
        "several times slower and gives other pictures. false: such a worker does not start",
    )
    ar_fp8: bool = Field(
        default=False,
        description="true: an AR worker stores the weights of the text model's layers in FP8 and computes their "
        "products in FP8. It needs 8 GB less memory and gives other pictures (docs/devices.md)",
    )
    dit_slots: int = Field(
        default=2,
        description="number of renders that one DiT worker holds at once. The worker computes one, and prepares "
        "the others shortly before that one ends",
    )

    cost_profile: Path | None = Field(
        default=None,
        description="file with the measured profile of the DiT's device (from `python -m benchmarks.profile`). "
        "The API and the batch worker take the relative cost of picture sizes from it. If unset, the "
        "cost is computed from GLM-Image's operation counts",
    )

    # Device options. docs/devices.md recommends values for GPUs of several sizes.
    share_device: bool = Field(
        default=False,
        description="true: an AR worker and a DiT worker take turns on one device. The weights of the waiting "
        "worker are in pinned host memory",
    )
    dit_compile: str | None = Field(
        default=None,
        description="torch.compile backend for the blocks of the DiT, or none. If unset, the profile of the device "
        "decides (docs/devices.md)",
    )
    dit_warm_up: str = Field(
        default="1024x1024",
        description="picture sizes that a worker on a GPU, or with compilation, renders once before it is ready, "
        "separated by commas",
    )
    dit_attention: str | None = Field(
        default=None,
        description="attention backend of the DiT, by its name in diffusers; native is torch's own. If unset, the "
        "profile of the device decides",
    )
    dit_fp8: Fp8 = Field(
        default="auto",
        description="which renders use weights of the DiT in FP8 (torchao). tiers: every quality but exact, with a "
        "second copy of the blocks. all (or 1): also exact, which saves memory. The model revision then ends in -fp8, "
        "so give AR workers the same value. off (or 0): none. auto: tiers, where the profile of the device says so",
    )
    dit_channels_last: bool | None = Field(
        default=None,
        description="whether the VAE's weights lie in the channels-last layout. If unset, the profile of the device "
        "decides",
    )
    dit_guidance_batch_px: int | None = Field(
        default=None,
        ge=0,
        description="number of pixels up to which the two guidance branches of a picture share a forward pass, if both "
        "have inputs of one length. 0: they never do. If unset, the profile of the device decides",
    )
    dit_memory_bytes: int | None = Field(
        default=None,
        gt=0,
        description="GPU memory that this DiT worker may use, with its weights. If unset, all that is free. Set it if "
        "several DiT workers stand on one GPU, because each of them measures the same free memory",
    )
    dit_vae_tiles: Literal["auto", "always", "never"] = Field(
        default="auto",
        description="whether the VAE decodes large pictures in tiles, which needs less memory and changes the pictures "
        "slightly. auto: those that the GPU's memory can't hold beside the weights; always: those above 1024x1024",
    )
    dit_guidance_devices: str | None = Field(
        default=None,
        description="two devices, such as cuda:0,cuda:1. Each computes one of the two guidance branches of a "
        "denoise step",
    )

    dit_sequence_devices: str | None = Field(
        default=None,
        description="two or more devices, such as cuda:0,cuda:1, that compute each denoise step of a large picture "
        "together. The worker starts a process for each device but the first",
    )
    dit_sequence_from: str = Field(
        default="1536x1536",
        description="size of the smallest pictures that the devices of GRIDPRESS_DIT_SEQUENCE_DEVICES compute "
        "together. The number of pixels counts, not the shape",
    )

    # Leases and retries.
    lease_ttl_s: float = Field(
        default=6.0,
        description="time without a heartbeat after which a worker's lease expires and its renders go to other workers",
    )
    poison_strikes: int = Field(
        default=5,
        ge=1,
        description="number of worker crashes after which a render fails. A crash counts only if the render was "
        "alone in the step and got no further than before",
    )
    drain_grace_s: float = Field(
        default=20.0,
        description="time for which a process may finish its work after a stop signal. The grace period of a "
        "container must be 15 s longer",
    )
    handover_ttl_s: float = Field(
        default=3600.0,
        ge=0,
        description="time for which the latents of an unfinished picture of a drained DiT worker are stored for "
        "another worker. 0: no latents are stored",
    )
    result_buffer: int = Field(
        default=16,
        ge=1,
        description="number of finished renders that may wait to be stored before a worker takes no more work",
    )
    hang_steps: float = Field(
        default=20.0, description="a device counts as hung when one step takes this many times as long as a usual step"
    )
    hang_floor_s: float = Field(
        default=60.0,
        description="a device never counts as hung before a step has taken this long. A VAE decode at 2048x2048 "
        "takes 8 s on a CPU",
    )
    ready_file: Path | None = Field(
        default=None, description="file that contains the worker's id while the worker accepts work; for supervisors"
    )
    prior_ready_limit_min: int = Field(
        default=16,
        description="number of token grids that may wait for the DiT before AR starts no more renders. The limit "
        "is 4 per live DiT slot if that is more",
    )
    batch_floor: float = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="minimum share of each stage's work for batch jobs while interactive jobs wait",
    )
    retention_s: int = Field(
        default=7 * 24 * 3600,
        description="time after its end for which a job has its full record in the store. Then an index entry and its "
        "manifest tell of it, as long as its objects exist",
    )
    usage_kept_days: int = Field(
        default=400,
        ge=62,
        le=3660,
        description="days for which the usage of a month can be read after the month (`GET /v1/usage`)",
    )
    target_wait_s: float = Field(
        default=60.0,
        gt=0,
        description="longest time that a render should wait. `wanted_workers` in /v1/stats is computed from it",
    )

    # Limits on requests.
    max_prompt_chars: int = Field(default=8_000, description="maximum number of characters of a prompt")
    max_images: int = Field(default=8, description="maximum number of condition images of one request")
    max_image_pixels: int = Field(
        default=40_000_000, description="maximum number of pixels of one condition image, before it is scaled"
    )
    max_body_bytes: int = Field(default=64 * 1024 * 1024, description="maximum size of a request body")
    max_held_bytes: int = Field(
        default=512 * 1024 * 1024,
        ge=1,
        description="maximum size of all request bodies and pictures that the API holds at once in memory and on "
        "disk. One tenant may use half of it",
    )
    max_n: int = Field(default=16, description="maximum number of pictures of one request")
    max_inference_steps: int = Field(default=200, description="maximum number of denoise steps of one request")

    max_api_keys: int = Field(
        default=500,
        ge=1,
        description="maximum number of API keys of one tenant. To make room, its oldest revoked or expired keys are "
        "deleted",
    )

    # Limits at which new jobs are refused. A full store would refuse every write, also those of accepted work.
    max_queued_renders: int = Field(
        default=100_000, description="number of waiting renders at which new jobs are refused with status 429"
    )
    max_store_bytes: int | None = Field(
        default=None, description="memory limit of the store, for a store that does not set maxmemory itself"
    )
    min_free_bytes: int = Field(
        default=512 * 1024 * 1024,
        description="free space on the disk of GRIDPRESS_STORE_DIR below which new jobs are refused",
    )
    store_dir: Path | None = Field(
        default=None,
        description="folder of a store on this machine. The free space of its disk is monitored. `gridpress up` "
        "sets it",
    )

    max_fetched_bytes: int = Field(
        default=50_000_000, description="maximum size of one image that a request names by URL"
    )
    fetch_timeout_s: float = Field(default=15.0, description="timeout for fetching all images of one request")

    # Idempotency-Key and files.
    idempotency_ttl_s: float = Field(
        default=24 * 3600.0,
        gt=0,
        description="time for which the response to a request with an Idempotency-Key is stored and repeated",
    )
    max_file_bytes: int = Field(
        default=64 * 1024 * 1024, gt=0, description="maximum size of one file sent to /v1/files"
    )
    max_batch_file_bytes: int = Field(
        default=200_000_000, gt=0, description="maximum size of one file sent with `purpose=batch`"
    )

    # Batches.
    max_batch_lines: int = Field(default=50_000, ge=1, description="maximum number of lines of one batch")
    batch_spare: int = Field(
        default=64,
        ge=1,
        description="number of waiting renders that the batch worker keeps in the queue for a tenant's batches in "
        "each class, in addition to those that the workers can hold",
    )
    batch_retention_s: int = Field(
        default=30 * 24 * 3600,
        ge=0,
        description="time for which a batch can be read and retried after its end, and a finished picture "
        "can be copied for an equal request with reuse",
    )
    batch_job_stay_s: int = Field(
        default=24 * 3600,
        ge=0,
        description="time for which the job of a batch line can be read in /v1/jobs after its result is stored",
    )

    # Requests to URLs that callers give: images and webhooks.
    egress_allow: str = Field(
        default="",
        description="networks and hosts that webhooks and image URLs may reach although they are not public, also "
        "by plain http, such as 10.1.0.0/16,hooks.lan",
    )
    egress_allow_while_open: str = Field(
        default="",
        description="networks and hosts that are allowed as in GRIDPRESS_EGRESS_ALLOW, but only until the first "
        "API key exists. `gridpress up` sets loopback",
    )

    @field_validator("redis_url")
    @classmethod
    def _has_certificates(cls, url: str | None, others: ValidationInfo) -> str | None:
        files = (others.data.get(f"redis_{kind}_file") for kind in ("ca", "cert", "key"))
        return with_certificates(url, *files) if url else url

    @field_validator("dit_fp8", mode="before")
    @classmethod
    def _is_fp8(cls, value: object) -> object:
        return fp8_setting(value)

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, text: str) -> str:
        read_networks(text)
        return text

    @field_validator("model_aliases")
    @classmethod
    def _are_model_names(cls, text: str) -> str:
        read_model_names(text)
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
        """Returns the sources of the settings' values, in order of precedence: arguments, secret files, environment
        variables.

        An empty environment variable does not hide a secret file.
        """
        return init_settings, SecretFiles(settings_cls), env_settings
