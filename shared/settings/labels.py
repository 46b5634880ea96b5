"""Defines the settings of labels: what finished pictures say about their origin. `Settings` includes them."""

from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings


class LabelSettings(BaseSettings):
    """The settings of metadata labels, of the visible mark and of C2PA signatures. docs/labels.md explains them."""

    label_producer: str = Field(
        default="Gridpress",
        min_length=1,
        max_length=128,
        description="name or code of the provider, which the metadata of every picture names (field ContentProducer "
        "of GB 45438-2025)",
    )
    mark_text: str = Field(
        default="AI generated",
        min_length=1,
        max_length=32,
        description="text of the visible mark, for requests with `visible_mark`",
    )
    mark_font: Path | None = Field(
        default=None,
        description="font file (TrueType, OpenType or a collection) of the visible mark. If unset, a font with Latin "
        "letters is used",
    )
    c2pa_cert_file: Path | None = Field(
        default=None,
        description="PEM file with the certificate that signs pictures (C2PA), followed by its intermediate "
        "certificates. If unset, pictures are not signed",
    )
    c2pa_key_file: Path | None = Field(
        default=None, description="PEM file with the private key of the certificate that signs pictures"
    )

    @field_validator("label_producer", "mark_text")
    @classmethod
    def _is_one_line(cls, text: str) -> str:
        if not text.isprintable() or text != text.strip() or not text:
            raise ValueError("must be one line of printable characters, without spaces at its ends")
        return text
