"""The table of errors in docs/http.md has every code that can be answered, as it is answered."""

from collections.abc import Iterator
from pathlib import Path

import api.app  # noqa: F401  (so that all errors are known)
from shared.errors import GridpressError

DOCS = Path(__file__).parents[3] / "docs" / "http.md"
# Of calls that intake, delivery and the routes of buckets tell in their own words.
NEVER_ANSWERED = {"url_refused", "url_failed", "bucket_refused"}
# What werkzeug and the server refuse before any code of ours runs.
OF_HTTP = {
    "bad_request": {400},
    "not_found": {404},
    "method_not_allowed": {405},
    "request_timeout": {408},
    "uri_too_long": {414},
    "unsupported_media_type": {415},
    "range_not_satisfiable": {416},
    "expectation_failed": {417},
    "request_header_fields_too_large": {431},
    "internal_error": {500},
    "not_implemented": {501},
}


def errors(of: type[GridpressError] = GridpressError) -> Iterator[type[GridpressError]]:
    for error in of.__subclasses__():
        if error.__module__.startswith(("api.", "shared.")):
            yield error
        yield from errors(error)


def table() -> dict[str, tuple[set[int], str]]:
    """Code -> statuses and whether a retry helps."""
    found = {}
    for line in DOCS.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if len(cells) == 4 and cells[0].startswith("`") and cells[2] in ("yes", "no", "by case"):
            for code in cells[0].split(", "):
                found[code.strip("`")] = ({int(status) for status in cells[1].split(", ")}, cells[2])
    return found


def test_every_code_is_documented_with_its_statuses() -> None:
    answered = {code: set(statuses) for code, statuses in OF_HTTP.items()}
    for error in errors():
        if error.http_status != 500 and error.code not in NEVER_ANSWERED:
            answered.setdefault(error.code, set()).add(error.http_status)
    assert {code: statuses for code, (statuses, _) in table().items()} == answered


def test_the_table_says_whether_a_retry_helps() -> None:
    documented = table()
    for error in errors():
        if error.code in documented and documented[error.code][1] != "by case":
            assert documented[error.code][1] == ("yes" if error.retryable else "no"), error.code
