"""Quotes values that a caller sent, shortened and without secrets, and finds the known name that is most similar."""

import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

MOST_QUOTED_CHARS = 40
_MOST_NAME_CHARS = 100
# API keys and secrets of this and other services, and credentials in header fields or URLs.
_SECRET = re.compile(
    r"(?<!\w)(whsec_|whsk_|gp_|sk-|bearer\s|basic\s)|-----BEGIN|://[^/\s]*@|[?&](sig|signature|token|X-Amz-)",
    re.IGNORECASE,
)
_MOST_DIGITS = 20
_SIMILARITY = 0.7  # of names, as difflib measures it: 0.75 for two swapped letters in a word of four

# Names of other image services for fields of this one. Only those that difflib does not find.
_OTHER_NAMES = {
    "steps": "num_inference_steps",
    "num_steps": "num_inference_steps",
    "sampling_steps": "num_inference_steps",
    "cfg": "guidance_scale",
    "cfg_scale": "guidance_scale",
    "num_images": "n",
    "num_outputs": "n",
    "batch_size": "n",
    "count": "n",
    "format": "output_format",
    "callback_url": "webhook_url",
    "image_urls": "images",
    "init_image": "images",
    "page_size": "limit",
    "per_page": "limit",
    "cursor": "after",
    "file_id": "input_file_id",
}


# Fields of other image services that GLM-Image can't have, each with the reason and what to do instead.
_ABSENT = {
    "negative_prompt": "GLM-Image has no negative prompt, because its guidance compares with a picture without any "
    "prompt, not with that of a second prompt; say in `prompt` what the picture should show",
}


def quoted(value: object) -> str:
    """Returns a value as an error message quotes it: shortened, and without what may be a secret or a picture."""
    quote = next((quote for kind, quote in _QUOTES if isinstance(value, kind)), None)
    return quote(value) if quote else "a value of another kind"


def shortened(text: str, most_chars: int = MOST_QUOTED_CHARS) -> str:
    """Returns the text, or its first characters and `...` if it is longer. The text can then be encoded as UTF-8."""
    cut = text if len(text) <= most_chars else f"{text[: most_chars - 3]}..."
    return cut.encode("utf-8", "replace").decode()


def short_name(field: str) -> str:
    """Returns the name of a field, shortened for a message. Callers choose names of unknown fields and of metadata."""
    return shortened(field, _MOST_NAME_CHARS)


def with_field(field: str | None, message: str) -> str:
    """Returns the message with the name of the field in front, unless it names the field already. Some clients show
    only this text.
    """
    if not field:
        return message
    name = short_name(field)
    is_named = re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", message)
    return message if is_named else f"{name}: {message}"


def one_of(names: Sequence[str]) -> str:
    """Returns names as a choice: `png, jpeg or webp`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def listed(names: Sequence[str]) -> str:
    """Returns names as a list: `limit, after and order`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def why_absent(name: str) -> str | None:
    """Returns why no request can have a field with this name, although other services have it. Otherwise None."""
    return _ABSENT.get(_plain(name[:_MOST_NAME_CHARS]))


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Returns the known name that the caller most likely meant, or None."""
    return _nearest(name[:_MOST_NAME_CHARS], tuple(known))


@lru_cache(1024)  # the lines of a batch mostly have the same mistake
def _nearest(name: str, known: Sequence[str]) -> str | None:
    plain = {_plain(each): each for each in known}
    asked = _plain(name)
    other = _OTHER_NAMES.get(asked)
    if other in plain:
        return other
    found = get_close_matches(asked, plain, n=1, cutoff=_SIMILARITY)
    return plain[found[0]] if found else None


def _plain(name: str) -> str:
    """Returns the name in the form in which names are compared: `numInferenceSteps` becomes `num_inference_steps`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().replace("-", "_").strip()


def _quoted_text(text: str) -> str:
    if text.lower().startswith("data:"):
        return "a data URL"
    if _SECRET.search(text):
        return "a text that may be a secret"
    return json.dumps(shortened(text), ensure_ascii=False)


def _quoted_int(number: int) -> str:
    return str(number) if abs(number) < 10**_MOST_DIGITS else f"a number with more than {_MOST_DIGITS} digits"


def _quoted_float(number: float) -> str:
    return str(number) if math.isfinite(number) else "NaN or an infinite number"


# The order counts, since a bool is an int.
_QUOTES: Sequence[tuple[type | tuple[type, ...], Callable[[Any], str]]] = (
    (type(None), lambda _: "null"),
    (bool, lambda value: "true" if value else "false"),
    (int, _quoted_int),
    (float, _quoted_float),
    (str, _quoted_text),
    ((list, tuple, set), lambda _: "a list"),
    (dict, lambda _: "an object"),
)
