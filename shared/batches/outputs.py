"""Names the files of a batch's pictures after the lines, and their copies in the tenant's folder. Does no I/O.

A name depends on the line alone, so a repeated step writes the same name. Two lines never share a name.
"""

import hashlib
import re
import unicodedata

from shared.batches.batch import BatchId, BatchSpec
from shared.ids import ObjectKey, TenantId

OUTPUTS = "outputs/"
MANIFEST = "manifest.jsonl"

# The parts of a name are joined by `--`, which a plain custom_id does not contain. So no two names can be equal.
_JOINT = "--"
_PLAIN = re.compile(r"\w([\w.-]*\w)?")
_UNSAFE = re.compile(r"[^\w.-]+")
# Of a stem. A whole name stays below the 100 bytes that a tar archive has for it.
_MOST_BYTES = 64
_NUM_DIGITS = 16
# Windows opens these devices for any file of that name, whatever its suffix is.
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)


def stem_of(custom_id: str) -> str:
    """Returns the name of a line's picture file, without index and suffix.

    It is the `custom_id` if that is a file name and an object name everywhere. Otherwise it is what can be used of the
    `custom_id`, with a digest of the whole.
    """
    return custom_id if _is_plain(custom_id) else with_digest(custom_id)


def with_digest(custom_id: str) -> str:
    """Returns the usable part of a `custom_id`, with a digest of the whole `custom_id`."""
    text = _UNSAFE.sub("_", unicodedata.normalize("NFC", custom_id)).replace(_JOINT, "_").strip("._-")
    usable = text.encode()[:_MOST_BYTES].decode(errors="ignore").rstrip("._-") or "line"
    return f"{usable}{_JOINT}{hashlib.sha256(custom_id.encode()).hexdigest()[:_NUM_DIGITS]}"


def file_name(stem: str, index: int, n: int, suffix: str) -> str:
    """Returns the file name of one of a line's `n` pictures. The names of several pictures end with their index."""
    return f"{stem}.{suffix}" if n == 1 else f"{stem}{_JOINT}{index}.{suffix}"


class LineNames:
    """Chooses the stems of the names of lines, which differ in more than upper and lower case.

    The lines come in the order in which they ended, and that order never changes. So every reader gets the same names.
    """

    def __init__(self) -> None:
        self._taken: set[int] = set()  # hashes, since a batch has up to 50,000 lines

    def stem(self, custom_id: str) -> str:
        stem = stem_of(custom_id)
        folded = hash(stem.casefold())
        if folded in self._taken:
            return with_digest(custom_id)
        self._taken.add(folded)
        return stem


def folder_of_outputs(tenant: TenantId) -> str:
    """Returns the prefix of all objects that batches of a tenant wrote under the `output_prefix` of their requests."""
    return f"{OUTPUTS}{tenant}/"


def output_folder(tenant: TenantId, prefix: str, batch_id: BatchId) -> str:
    """Returns the folder of a batch under its `output_prefix`. No other batch writes there."""
    assert prefix
    assert not prefix.endswith("/")
    return f"{folder_of_outputs(tenant)}{prefix}/{batch_id}/"


def output_folder_of(batch_id: BatchId, spec: BatchSpec) -> str | None:
    """Returns the folder for the pictures of a batch; None if its request has no `output_prefix`."""
    return output_folder(spec.tenant, spec.output_prefix, batch_id) if spec.output_prefix else None


def output_key(folder: str, custom_id: str, index: int, n: int, suffix: str) -> ObjectKey:
    """Returns the key of a picture's copy in the folder of a batch."""
    return ObjectKey(folder + file_name(stem_of(custom_id), index, n, suffix))


def _is_plain(custom_id: str) -> bool:
    is_short = len(custom_id.encode()) <= _MOST_BYTES
    is_name = _PLAIN.fullmatch(custom_id) and _JOINT not in custom_id and not _DEVICE.fullmatch(custom_id)
    return bool(is_short and is_name) and unicodedata.is_normalized("NFC", custom_id)
