"""Encodes pictures as PNG, WebP or JPEG, and embeds their label, the prompt and the settings. It stores nothing."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass

from PIL import ExifTags, Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from shared.ids import Revision
from shared.jobs.spec import OutputFormat, RenderSettings
from workers.dit.pictures.labelling import Labelling
from workers.dit.pictures.labels import AIGC_KEYWORD, XMP_KEYWORD, aigc_field, produce_id, xmp_packet

_MAX_EXIF_BYTES = 65_000  # a JPEG segment has at most 2^16 - 1 bytes, including headers and names
_UNICODE = b"UNICODE\0"  # the character code with which EXIF's UserComment begins (EXIF 2.32)


@dataclass(frozen=True, slots=True)
class Provenance:
    """The origin of a picture, for its metadata. `version` is the version of Gridpress."""

    seed: int
    model_name: str
    revision: Revision
    version: str


@dataclass(frozen=True, slots=True)
class Encoded:
    """The file of a picture, its content type, and the number that its label gives to the content of the picture."""

    data: bytes
    content_type: str
    produce_id: str


def encode_picture(
    image: Image.Image, settings: RenderSettings, provenance: Provenance, labelling: Labelling
) -> Encoded:
    """Encodes a picture. The picture is resized to the size that the request asks for, and gets its visible mark.

    Every file says that the picture is generated: in an XMP packet, and in a PNG also in the text chunk `AIGC`. With
    `settings.embed_metadata` a PNG also has the prompt and the settings in text chunks. WebP and JPEG have them as a
    JSON object in EXIF's UserComment, unless it is too large for a JPEG segment.

    The file is signed if the operator has set a certificate. Raises `RenderFailed` if the visible mark can't be drawn,
    or the file can't be signed.
    """
    if image.size != settings.delivered_size:
        image = ImageOps.fit(image, settings.delivered_size, Image.Resampling.LANCZOS)
    image = labelling.marked(image, settings.mark)
    facts = _facts(settings, provenance) if settings.embed_metadata else {}
    number = produce_id(image)
    aigc = aigc_field(labelling.producer, number)
    file, xmp = io.BytesIO(), xmp_packet(aigc)
    if settings.output_format is OutputFormat.PNG:
        image.save(file, "PNG", pnginfo=_text_chunks({AIGC_KEYWORD: aigc, **facts}, xmp))
    elif settings.output_format is OutputFormat.WEBP:
        image.save(file, "WEBP", quality=settings.output_quality, exif=_exif(facts), xmp=xmp)
    else:
        # Without chroma subsampling coloured captions stay sharp.
        image.save(file, "JPEG", quality=settings.output_quality, subsampling=0, exif=_exif(facts), xmp=xmp)
    content_type = settings.output_format.content_type
    return Encoded(labelling.signed(file.getvalue(), content_type), content_type, number)


def _facts(settings: RenderSettings, provenance: Provenance) -> Mapping[str, str]:
    """Returns the metadata to embed in a picture.

    The object keys of condition images (`images`) are left out, because they are internal and mean nothing to a reader.
    """
    shown = settings.model_dump(mode="json", exclude={"prompt", "images", "embed_metadata"})
    return {
        "prompt": settings.prompt,
        "seed": str(provenance.seed),
        "settings": json.dumps(shown),
        "model": provenance.model_name,
        "model_revision": provenance.revision,
        "Software": f"Gridpress {provenance.version}",  # a keyword that the PNG standard defines
    }


def _text_chunks(facts: Mapping[str, str], xmp: bytes) -> PngInfo:
    """Returns PNG text chunks: the XMP packet as iTXt, Latin-1 text as tEXt, other text as iTXt (UTF-8)."""
    chunks = PngInfo()
    chunks.add_itxt(XMP_KEYWORD, xmp.decode())
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
