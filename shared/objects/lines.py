"""Splits a stream of bytes into lines. Memory holds one line and one chunk, never the whole stream."""

from collections.abc import Iterable, Iterator


def split_lines(chunks: Iterable[bytes], start: int, most_bytes: int) -> Iterator[tuple[int, bytes]]:
    """Yields the lines of a byte stream without their newlines. Each line comes with the offset in the stream at which
    the next line begins.

    `start` is the offset of the stream's first byte. A line longer than `most_bytes` is cut to `most_bytes` + 1 bytes,
    so that the caller can detect it. The last line may lack a newline.
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
