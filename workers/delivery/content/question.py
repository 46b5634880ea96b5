"""Builds the requests to hooks of the operator: a prompt with its condition images, a picture, or a text check."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shared.ids import ObjectKey
from shared.jobs.job import Picture
from shared.objects.store import ObjectStore
from shared.quoted_text import quoted_texts
from shared.responses.schemas import rfc3339
from shared.store.checks.checks import CheckClaim

_INPUT_TYPE = "image/png"  # condition images are stored as PNG


@dataclass(frozen=True, slots=True)
class Question:
    """One request to a content hook. `message_id` is the same for every attempt, also after the death of a worker."""

    message_id: str
    body: str


@dataclass(frozen=True, slots=True)
class Questions:
    """Builds the request for a content check. With `sends_links` it contains presigned links to images, else their
    bytes in base64.
    """

    objects: ObjectStore
    sends_links: bool

    def of(self, claim: CheckClaim) -> Question:
        """Returns the request for a check. Raises `ObjectNotFound` and `ObjectStoreUnavailable`."""
        ulid = claim.job_id.removeprefix("job_")
        if claim.picture is None:
            return self._question(f"chk_{ulid}_prompt", "content.prompt", self._prompt(claim))
        message_id = f"chk_{ulid}_{claim.index}_{claim.picture.sha256[:16]}"
        return self._question(message_id, "content.picture", self._picture(claim, claim.picture))

    def of_text(self, claim: CheckClaim) -> Question:
        """Returns the request to read the text in a picture. Raises `ObjectNotFound` and `ObjectStoreUnavailable`."""
        assert claim.picture
        message_id = f"txt_{claim.job_id.removeprefix('job_')}_{claim.index}_{claim.picture.sha256[:16]}"
        quoted = {"quoted": quoted_texts(claim.spec.settings.prompt)}
        return self._question(message_id, "picture.text", {**self._picture(claim, claim.picture), **quoted})

    def _question(self, message_id: str, kind: str, data: Mapping[str, Any]) -> Question:
        body = {"type": kind, "timestamp": rfc3339(datetime.now(UTC)), "data": data}
        return Question(message_id, json.dumps(body, ensure_ascii=False))

    def _prompt(self, claim: CheckClaim) -> Mapping[str, Any]:
        images = [
            self._image(key, _INPUT_TYPE, f"image-{index}.png") for index, key in enumerate(claim.spec.settings.images)
        ]
        return {**_about(claim), "n": claim.spec.n, "images": images}

    def _picture(self, claim: CheckClaim, picture: Picture) -> Mapping[str, Any]:
        name = f"picture-{claim.index}.{claim.spec.settings.output_format}"
        image = self._image(picture.key, picture.content_type, name)
        facts = {"sha256": picture.sha256, "bytes": picture.num_bytes}
        return {**_about(claim), "index": claim.index, "picture": {**image, **facts}}

    def _image(self, key: ObjectKey, content_type: str, filename: str) -> Mapping[str, Any]:
        if self.sends_links:
            url = self.objects.presign(key, filename=filename, content_type=content_type)
            return {"content_type": content_type, "url": url}
        return {"content_type": content_type, "b64_json": base64.b64encode(self.objects.get(key)).decode()}


def _about(claim: CheckClaim) -> Mapping[str, Any]:
    """Returns what a hook learns about the job in either case. `revised_prompt` is the enhanced prompt, or null."""
    spec = claim.spec
    width, height = spec.settings.delivered_size
    return {
        "job_id": claim.job_id,
        "tenant": spec.tenant,
        "prompt": spec.settings.prompt,
        "revised_prompt": claim.revised_prompt,
        "width": width,
        "height": height,
        "metadata": dict(spec.metadata),
    }
