"""Defines the amounts that a tenant used: pictures, the work for them, and webhook messages. Does no I/O."""

from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields, replace
from typing import Self

from shared.jobs.job import Picture
from shared.jobs.leases import Claim
from shared.jobs.spec import Quality
from shared.tracing.origin import Origin


@dataclass(frozen=True, slots=True)
class Amounts:
    """What was used. Only finished pictures count.

    - `pixels` are those of the rendered pictures, before they are scaled to another size.
    - `denoise_steps` are the steps of the DiT, `ar_tokens` the tokens of the AR model. A picture that starts from the
      token grid of an earlier job has no AR tokens.
    - `ar_device_ms` and `dit_device_ms` are the milliseconds of the device. Renders that share a step share its time.
    - `stored_bytes` are the bytes of the picture files.
    - `webhooks` are the webhook messages that a receiver accepted.

    The store keeps the amounts in the order of these fields, so new fields come last.
    """

    pictures: int = 0
    pixels: int = 0
    denoise_steps: int = 0
    ar_tokens: int = 0
    ar_device_ms: int = 0
    dit_device_ms: int = 0
    stored_bytes: int = 0
    webhooks: int = 0

    def __add__(self, other: Self) -> Self:
        return replace(self, **{name: value + getattr(other, name) for name, value in self.as_mapping().items()})

    def as_mapping(self) -> Mapping[str, int]:
        """Returns the amounts by the names of their fields."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def in_seconds(self) -> dict[str, int | float]:
        """Returns the amounts as responses and manifests show them: device time is in seconds."""
        amounts = dict(self.as_mapping())
        seconds = {f"{stage}_device_s": amounts.pop(f"{stage}_device_ms") / 1000 for stage in ("ar", "dit")}
        order = ("pictures", "pixels", "denoise_steps", "ar_tokens", *seconds, "stored_bytes", "webhooks")
        return {name: seconds[name] if name in seconds else amounts[name] for name in order}

    def as_text(self) -> str:
        """Returns the amounts as the store keeps them: numbers with spaces between them. Zeros at the end are left
        out.
        """
        numbers = list(astuple(self))
        while len(numbers) > 1 and not numbers[-1]:
            numbers.pop()
        return " ".join(map(str, numbers))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parses the text of `as_text`. Raises `ValueError` or `TypeError` for other text."""
        return cls(*map(int, text.split()))


ONE_WEBHOOK = Amounts(webhooks=1)


@dataclass(frozen=True, slots=True)
class Used:
    """Amounts with the API key and the quality for which they count.

    `key_id` is '' without API keys, and for work of earlier releases. `quality` is None for a message that is not about
    a job.
    """

    key_id: str
    quality: Quality | None
    amounts: Amounts

    def as_text(self) -> str:
        """Returns the text for the script that counts: the row, a space and the amounts."""
        return f"{self.key_id}|{self.quality or ''} {self.amounts.as_text()}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parses the text of `as_text`. Raises `ValueError` or `TypeError` for other text."""
        row, _, amounts = text.partition(" ")
        key_id, _, quality = row.rpartition("|")
        return cls(key_id, Quality(quality) if quality else None, Amounts.parse(amounts))


def key_of(origin: Origin | None) -> str:
    """Returns the id of the API key of the request that caused the work; '' if there is none."""
    return (origin and origin.key_id) or ""


def usage_of(claim: Claim, picture: Picture, dit_device_s: float) -> Used:
    """Returns what a finished picture adds to the usage of its tenant. `claim` is its claim of the DiT stage, and
    `dit_device_s` the seconds of the device in this stage.
    """
    settings, ar_device_s = claim.settings, claim.ar_device_s
    amounts = Amounts(
        pictures=1,
        pixels=settings.width_px * settings.height_px,
        denoise_steps=settings.num_denoise_steps,
        ar_tokens=0 if ar_device_s is None else settings.num_decode_steps,
        ar_device_ms=round((ar_device_s or 0.0) * 1000),
        dit_device_ms=round(dit_device_s * 1000),
        stored_bytes=picture.num_bytes,
    )
    return Used(key_of(claim.origin), settings.quality, amounts)
