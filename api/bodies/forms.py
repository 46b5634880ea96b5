"""Parses multipart forms with werkzeug's decoder. In addition, it limits the header fields of each part."""

from typing import IO, Any

from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser, MultiPartParser
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from shared.errors import InvalidRequest

# werkzeug searches an incomplete head again from its start for each piece. 18 MB of short fields took most of a minute.
_HEAD_BYTES = 128 * 1024
# RFC 2046, section 5.1.1, allows 70 characters. One in 400 of the boundaries that werkzeug generates has up to 72.
MOST_BOUNDARY_CHARS = 100

Parts = tuple[MultiDict[str, str], MultiDict[str, FileStorage]]


class FormParser(FormDataParser):
    """A werkzeug form parser that limits the length of the boundary of multipart bodies, and parses them with
    `_Parser`.
    """

    def _parse_multipart(
        self, stream: IO[bytes], mimetype: str, content_length: int | None, options: dict[str, str]
    ) -> tuple[IO[bytes], MultiDict[str, str], MultiDict[str, FileStorage]]:
        boundary = options.get("boundary", "")
        if not 0 < len(boundary) <= MOST_BOUNDARY_CHARS:
            raise InvalidRequest(f"malformed multipart body: its boundary has 1 to {MOST_BOUNDARY_CHARS} characters")
        parser = _Parser(
            stream_factory=self.stream_factory,
            max_form_memory_size=self.max_form_memory_size,
            max_form_parts=self.max_form_parts,
            cls=self.cls,
        )
        return stream, *parser.parse(stream, boundary.encode("latin-1", "replace"), content_length)


class _Parser(MultiPartParser):
    """A werkzeug multipart parser that applies `max_form_memory_size` to each field, not to the sum of all fields."""

    def parse(self, stream: IO[bytes], boundary: bytes, content_length: int | None) -> Parts:
        decoder = MultipartDecoder(boundary, max_form_memory_size=_HEAD_BYTES, max_parts=self.max_form_parts)
        fields, files = list[tuple[str, str]](), list[tuple[str, FileStorage]]()
        part: Any = None
        content: Any = None
        while not isinstance(event := decoder.next_event(), Epilogue):
            match event:
                case NeedData():
                    decoder.receive_data(stream.read(self.buffer_size) or None)
                case Field():
                    part, content = event, bytearray()
                case File():
                    part, content = event, self.start_file_streaming(event, content_length)
                case Data():
                    self._add(content, event.data)
                    if not event.more_data:
                        self._end(part, content, fields, files)
        return self.cls(fields), self.cls(files)

    def _add(self, content: Any, data: bytes) -> None:
        if not isinstance(content, bytearray):
            content.write(data)
            return
        content += data
        if self.max_form_memory_size is not None and len(content) > self.max_form_memory_size:
            raise RequestEntityTooLarge

    def _end(
        self, part: Any, content: Any, fields: list[tuple[str, str]], files: list[tuple[str, FileStorage]]
    ) -> None:
        if isinstance(part, Field):
            fields.append((part.name, content.decode(self.get_part_charset(part.headers), "replace")))
            return
        content.seek(0)
        files.append((part.name, FileStorage(content, part.filename, part.name, headers=part.headers)))
