"""Cuts a stream of bytes into lines. Holds one line and one chunk, never the whole."""

from collections.abc import Iterable, Iterator


def split_lines(chunks: Iterable[bytes], start: int, most_bytes: int) -> Iterator[tuple[int, bytes]]:
    """Lines without their newline, each with the offset of what follows it; the last one may have no newline.

    `start` is the offset of the first byte. A line is cut off after `most_bytes` + 1 bytes.
    """
    line, end = bytearray(), start
    for chunk in chunks:
        *complete, rest = chunk.split(b"\n")
        for piece in complete:
            line += piece[: most_bytes + 1 - len(line)]
            end += len(piece) + 1
            yield end, bytes(line)
            line.clear()
        line += rest[: most_bytes + 1 - len(line)]
        end += len(rest)
    if line:
        yield end, bytes(line)
