"""Runs the last step of a batch: writes the output file and the error file from the stored results of all lines."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from pydantic_core import from_json

from shared.batches.batch import Segment, outcome_file_id
from shared.batches.outputs import MANIFEST, LineNames, output_folder_of
from shared.batches.pictures import pictures_of
from shared.files import FileId, Purpose, file_key
from shared.ids import ObjectKey
from shared.objects.writer import ObjectWriter
from shared.store.batch_work.work import Leased
from shared.store.files.files import FileStore
from workers.batches.tools import Tools

_JSON_LINES = "application/jsonl"
_MOST_LINE_BYTES = 2**31  # a result line may hold whole pictures in base64
_RENEW_EVERY = 500  # lines, after which the batch's lease is renewed


class OutcomeFile:
    """Writes the output file or the error file of a batch.

    The file is created with its first line, so an empty file is never stored. When the last step of a batch is
    repeated, it writes the same content under the same file id.
    """

    def __init__(self, tools: Tools, files: FileStore, found: Leased, kind: str) -> None:
        self._tools = tools
        self._files = files
        self._batch = found.batch
        self._kind = kind
        self._digest = hashlib.sha256()
        self._num_bytes = 0
        self._stack = ExitStack()
        self._writer: ObjectWriter | None = None
        self.file_id: FileId | None = None

    def write(self, line: bytes) -> None:
        if self._writer is None:
            self._open()
        assert self._writer
        self._writer.write(line)
        self._digest.update(line)
        self._num_bytes += len(line)

    def _open(self) -> None:
        self.file_id = outcome_file_id(self._batch.batch_id, self._batch.round, self._kind)
        self._files.open(self.file_id, self._batch.spec.tenant)
        self._writer = self._stack.enter_context(self._tools.objects.writer(file_key(self.file_id), _JSON_LINES))

    def __enter__(self) -> "OutcomeFile":
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.__exit__(*error)  # type: ignore[arg-type]
        if self.file_id and error[0] is None:
            self._close()

    def _close(self) -> None:
        assert self.file_id
        self._files.close(
            self.file_id,
            self._batch.spec.tenant,
            purpose=Purpose.BATCH_OUTPUT,
            filename=f"{self._batch.batch_id}_{self._kind}.jsonl",
            num_bytes=self._num_bytes,
            sha256=self._digest.hexdigest(),
            lifetime_s=self._batch.spec.output_lifetime_s,
        )


class OutputManifest:
    """Writes the manifest into the folder with the copies of a batch's pictures: one JSON line for each picture.

    Without an `output_prefix` it writes nothing.
    """

    def __init__(self, tools: Tools, found: Leased) -> None:
        folder = output_folder_of(found.batch.batch_id, found.batch.spec)
        self._writer = tools.objects.writer(ObjectKey(folder + MANIFEST), _JSON_LINES) if folder else None
        self._names = LineNames()

    def add(self, line: dict[str, Any]) -> None:
        if self._writer is not None:
            for picture in pictures_of(line, self._names):
                self._writer.write(json.dumps(picture, ensure_ascii=False).encode() + b"\n")

    def __enter__(self) -> Self:
        if self._writer is not None:
            self._writer.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._writer is not None:
            self._writer.__exit__(kind, error, at)


def finish(tools: Tools, files: FileStore, found: Leased) -> None:
    """Writes the output file and the error file of a batch and ends the batch.

    If the batch has an `output_prefix`, it also writes the manifest of the pictures.

    After a crash, a repeated call writes the same files again.
    """
    batch = found.batch
    segments = tools.batches.segments(batch.batch_id)
    last = Counter(line["line"] for _, line in _results(tools, found, segments)) if batch.round else None
    with (
        OutcomeFile(tools, files, found, "output") as output,
        OutcomeFile(tools, files, found, "error") as errors,
        OutputManifest(tools, found) as manifest,
    ):
        for raw, line in _results(tools, found, segments):
            manifest.add(line)
            if last is not None:
                last[line["line"]] -= 1
                if last[line["line"]]:  # a later result follows, from a retry of this line
                    continue
            response = line["response"]
            (output if response and response["status_code"] == 200 else errors).write(raw)
    tools.work.finish(found.lease, output.file_id, errors.file_id)


def _results(tools: Tools, found: Leased, segments: list[Segment]) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Yields each stored result of a batch, as raw bytes and as parsed JSON. Renews the batch's lease meanwhile."""
    for segment in segments:
        tools.work.renew(found.lease)
        for number, (_, raw) in enumerate(tools.objects.lines(segment.key, most_bytes=_MOST_LINE_BYTES)):
            if number % _RENEW_EVERY == _RENEW_EVERY - 1:
                tools.work.renew(found.lease)
            yield raw + b"\n", from_json(raw)
