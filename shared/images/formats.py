"""Lists the image formats that are decoded, and prepares their decoders. Only child processes with limits import this
module, because it loads the HEIF decoder.
"""

from PIL import AvifImagePlugin
from pillow_heif import register_heif_opener

# Pillow's names of the formats. HEIF is the container of HEIC pictures, which phones make.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")
NAMES = "PNG, JPEG, WebP, GIF, BMP, TIFF, AVIF or HEIC"

# A child process has one core and limited memory. More threads need more memory and save no time.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1
register_heif_opener(decode_threads=1, thumbnails=False, depth_images=False, aux_images=False)

_FILE_TYPE, _FILE_TYPE_AT = b"ftyp", 4  # the first box of an ISO media file, ISO/IEC 14496-12
_BRANDS = frozenset(b"avif avis heic heix heim heis hevc hevx hevm hevs mif1 mif2 msf1".split())


def is_avif_or_heic(data: bytes) -> bool:
    """Returns whether a file starts as an AVIF or HEIC file does. The rest of the file may be missing or broken."""
    brand_at = _FILE_TYPE_AT + len(_FILE_TYPE)
    return data[_FILE_TYPE_AT:brand_at] == _FILE_TYPE and data[brand_at : brand_at + 4] in _BRANDS
