"""Encodes pictures as PNG, WebP or JPEG, with prompt and settings inside. Knows no store and no tensors."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass

from PIL import ExifTags, Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from shared.ids import Revision
from shared.jobs.spec import OutputFormat, RenderSettings

_MAX_EXIF_BYTES = 65_000  # a JPEG segment ends at 2^16 - 1 bytes, header and names included
_UNICODE = b"UNICODE\0"  # EXIF 2.32, UserComment: its character code comes first


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a picture comes from, apart from its settings. `version` is Gridpress's own."""

    seed: int
    model_name: str
    revision: Revision
    version: str


def encode_picture(image: Image.Image, settings: RenderSettings, provenance: Provenance) -> tuple[bytes, str]:
    """The file's bytes and its content type, in the size that is to be delivered.

    With `settings.embed_metadata` a PNG carries text chunks; WebP and JPEG carry the same as a JSON object in EXIF's
    UserComment, or nothing where it would not fit a JPEG segment.
    """
    if image.size != settings.delivered_size:
        image = ImageOps.fit(image, settings.delivered_size, Image.Resampling.LANCZOS)
    facts = _facts(settings, provenance) if settings.embed_metadata else {}
    file = io.BytesIO()
    if settings.output_format is OutputFormat.PNG:
        image.save(file, "PNG", pnginfo=_text_chunks(facts))
    elif settings.output_format is OutputFormat.WEBP:
        image.save(file, "WEBP", quality=settings.output_quality, exif=_exif(facts))
    else:
        # Without chroma subsampling: coloured captions stay sharp.
        image.save(file, "JPEG", quality=settings.output_quality, subsampling=0, exif=_exif(facts))
    return file.getvalue(), settings.output_format.content_type


def _facts(settings: RenderSettings, provenance: Provenance) -> Mapping[str, str]:
    """`images` stay out: object keys tell a reader nothing and are nobody else's business."""
    shown = settings.model_dump(mode="json", exclude={"prompt", "images", "embed_metadata"})
    return {
        "prompt": settings.prompt,
        "seed": str(provenance.seed),
        "settings": json.dumps(shown),
        "model": provenance.model_name,
        "model_revision": provenance.revision,
        "Software": f"Gridpress {provenance.version}",  # one of PNG's own keywords
    }


def _text_chunks(facts: Mapping[str, str]) -> PngInfo:
    """Latin text as tEXt, any other as iTXt (UTF-8)."""
    chunks = PngInfo()
    for keyword, text in facts.items():
        chunks.add_text(keyword, text)
    return chunks


def _exif(facts: Mapping[str, str]) -> bytes:
    if not facts:
        return b""
    exif = Image.Exif()
    comment = json.dumps(facts, ensure_ascii=False).encode("utf-16-be")  # Pillow writes EXIF big-endian
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = _UNICODE + comment
    data = exif.tobytes()
    return data if len(data) <= _MAX_EXIF_BYTES else b""
