"""Makes small versions of finished pictures. Runs in a child process."""

from io import BytesIO

from PIL import Image, UnidentifiedImageError

from shared.errors import InvalidImage

CONTENT_TYPE = "image/webp"
_QUALITY = 82  # a thumbnail of 256 px has about 10 KB


def thumbnail(picture: bytes, longest_px: int) -> bytes:
    """Returns the picture as WebP, scaled down so that its longer side has `longest_px` pixels. A smaller picture keeps
    its size. The XMP packet of the picture, which labels it as generated, is kept.

    Raises `InvalidImage` for bytes that are no picture.
    """
    try:
        with Image.open(BytesIO(picture)) as image:
            xmp = image.info.get("xmp", b"")
            image.draft("RGB", (longest_px, longest_px))  # a JPEG is decoded at a smaller size at once
            small = image.convert("RGB")
    except (OSError, UnidentifiedImageError, ValueError) as error:
        raise InvalidImage("the stored picture can't be decoded") from error
    small.thumbnail((longest_px, longest_px), Image.Resampling.LANCZOS)
    file = BytesIO()
    small.save(file, "WEBP", quality=_QUALITY, method=4, xmp=xmp)
    return file.getvalue()
