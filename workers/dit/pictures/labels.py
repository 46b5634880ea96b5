"""Makes the metadata that labels a picture as generated: the field AIGC of GB 45438-2025 and the digital source type of
IPTC, in an XMP packet. It reads no files and needs no torch.

Sources: GB 45438-2025, annex E (fields and values of AIGC); TC260-PG-20258A (namespace TC260 in XMP); IPTC Photo
Metadata 2025.1 (property Iptc4xmpExt:DigitalSourceType).
"""

import hashlib
import json
from html import escape

from PIL import Image

AIGC_KEYWORD = "AIGC"  # of the text chunk of a PNG
XMP_KEYWORD = "XML:com.adobe.xmp"  # of the chunk of a PNG that holds an XMP packet (XMP specification, part 3)

_IS_GENERATED = "1"  # 1: is generated, 2: may be generated, 3: is suspected to be generated
_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
_XMP = """\
<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
    xmlns:TC260="http://www.tc260.org.cn/ns/AIGC/1.0/">
   <Iptc4xmpExt:DigitalSourceType>{source_type}</Iptc4xmpExt:DigitalSourceType>
   <TC260:AIGC>{aigc}</TC260:AIGC>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""


def produce_id(image: Image.Image) -> str:
    """Returns the number that identifies the content of a picture: 32 hexadecimal digits of a digest of its size and
    pixels.

    Equal pictures have equal numbers. The number tells nothing about the job, the tenant, the time or the prompt, so a
    picture still depends on its request alone.
    """
    width, height = image.size
    digest = hashlib.sha256(f"{image.mode} {width}x{height}\n".encode())
    digest.update(image.tobytes())
    return digest.hexdigest()[:32]


def aigc_field(producer: str, number: str) -> str:
    """Returns the field AIGC of GB 45438-2025 as JSON. `producer` is the name or code of the provider that generated
    the picture, and `number` is the provider's number of the picture.

    The propagator's fields are empty: whoever publishes the picture fills them in. The reserved fields are empty, too.
    """
    fields = {
        "Label": _IS_GENERATED,
        "ContentProducer": producer,
        "ProduceID": number,
        "ReservedCode1": "",
        "ContentPropagator": "",
        "PropagateID": "",
        "ReservedCode2": "",
    }
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def xmp_packet(aigc: str) -> bytes:
    """Returns an XMP packet with the digital source type of IPTC and the field AIGC, which is given as JSON."""
    return _XMP.format(source_type=_SOURCE_TYPE, aigc=escape(aigc, quote=False)).encode()
