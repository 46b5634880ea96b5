"""Writes both stores to compressed files and back. A dumped job store is loaded as if its service stopped lately."""

import base64
import gzip
import json
import re
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from shared.ids import ObjectKey
from shared.objects.store import ObjectStore
from shared.store.core.connect import Client
from tests.shared.store.states.dumps import dump, load

RECEIVER = "receiver"  # stands for the port of the webhook receiver
_DUMPED_AT = "test:dumped_at_ms"
_STOPPED_FOR_MS = 3_600_000  # longer than leases and the first retries of webhooks, shorter than all time limits
_TIME = re.compile(r"(?<!\d)1[789]\d{11}(?!\d)")  # in milliseconds
_TEXTS = (".json", ".jsonl")


def dump_store(client: Client, file: Path, receiver_port: int) -> None:
    """Writes all keys, except for the clock of this machine and the logs of workers."""
    client.delete("gridpress:clock", *client.scan_iter("gridpress:log:*"))
    client.set(_DUMPED_AT, int(time.time() * 1000))
    with TemporaryDirectory() as folder:
        plain = Path(folder) / "store.json"
        dump(client, plain)
        text = plain.read_text(encoding="utf-8")
    _write(file, text.replace(f":{receiver_port}/", f":{RECEIVER}/"))


def load_store(client: Client, file: Path, receiver_port: int) -> None:
    """Fills an empty store. All times are moved, so that the dump is an hour old."""
    text = _read(file).replace(f":{RECEIVER}/", f":{receiver_port}/")
    dumped_at_ms = int(json.loads(text)[_DUMPED_AT][1])
    moved_ms = int(time.time() * 1000) - _STOPPED_FOR_MS - dumped_at_ms
    with TemporaryDirectory() as folder:
        plain = Path(folder) / "store.json"
        plain.write_text(_TIME.sub(lambda found: str(int(found[0]) + moved_ms), text), encoding="utf-8")
        load(client, plain)


def dump_objects(objects: ObjectStore, file: Path) -> None:
    """Writes all objects to a JSON file: JSON as text, everything else in base64."""
    keys = [key for page in objects.pages("") for key, _ in page if not key.startswith("upkeep/")]
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(_text_of(key, objects.get(key)))}" for key in keys)
    _write(file, "{" + lines + "}\n")


def load_objects(objects: ObjectStore, file: Path) -> None:
    for key, text in json.loads(_read(file)).items():
        data = text.encode() if key.endswith(_TEXTS) else base64.b64decode(text)
        objects.put(ObjectKey(key), data, "application/octet-stream")


def _text_of(key: str, data: bytes) -> str:
    return data.decode() if key.endswith(_TEXTS) else base64.b64encode(data).decode()


def _write(file: Path, text: str) -> None:
    file.write_bytes(gzip.compress(text.encode(), mtime=0))


def _read(file: Path) -> str:
    return gzip.decompress(file.read_bytes()).decode()
