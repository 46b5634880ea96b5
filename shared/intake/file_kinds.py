"""Recognises files that are no JSON lines from their first bytes or from one line, and says what would work instead."""

import codecs
import re

# First bytes of compressed files and archives. A ZIP archive may also be a spreadsheet.
_PACKED = {
    b"\x1f\x8b": "compressed with gzip",
    b"PK\x03\x04": "a ZIP archive or a spreadsheet",
    b"\x28\xb5\x2f\xfd": "compressed with zstd",
    b"BZh": "compressed with bzip2",
    b"\xfd7zXZ\x00": "compressed with xz",
}
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # those of UTF-32 start with the same bytes or with NUL
_BETWEEN_OBJECTS = re.compile(rb"\}[ \t]*\r\s*\{")
_ARRAY = "a JSON array. Write one request on each line, without brackets around them and commas between them"


def without_mark(raw: bytes) -> bytes:
    """Returns the first line of a file without the byte order mark of UTF-8, which some editors write."""
    return raw.removeprefix(codecs.BOM_UTF8)


def why_no_text(start: bytes) -> str | None:
    """Returns why a file that starts with these bytes is no UTF-8 text, or None if it may be."""
    for magic, what in _PACKED.items():
        if start.startswith(magic):
            return f"the file is {what}. Unpack it, and send UTF-8 text"
    if start.startswith(_WIDE) or b"\0" in start[:4]:
        return "the file is UTF-16 or UTF-32. Save it as UTF-8"
    return None


def why_no_lines(raw: bytes, *, is_first: bool) -> str | None:
    """Returns why a file with this line is no JSON lines, or None if it may be.

    `is_first` says that no line with content comes before.
    """
    text = without_mark(raw).strip()
    if is_first and (why := why_no_text(raw)):
        return why
    if is_first and text.startswith(b"["):
        return f"the file is {_ARRAY}"
    if is_first and text == b"{":
        return "the file has a request that takes several lines. Write each request on one line"
    if is_first and _BETWEEN_OBJECTS.search(text):
        return "the lines of the file end in a carriage return (CR). End them in a newline (LF)"
    if text.endswith(b"},"):
        return "the line ends in a comma. Write one request on each line, without a comma behind it"
    return None
