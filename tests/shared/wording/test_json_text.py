"""What is wrong with JSON is said in our words, with the place."""

import pytest

from shared.errors import InvalidRequest
from shared.intake.json_documents import read_json
from tests.shared.wording.phrases import check


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", 'it is empty; send an object such as {"prompt": "a red kite"}'),
        (b" \n", 'it is empty; send an object such as {"prompt": "a red kite"}'),
        (b"{", "it ends too early: a brace or bracket is not closed (line 1, column 2)"),
        (b'{"a": 1', "it ends too early: a brace or bracket is not closed (line 1, column 8)"),
        (b'{"a": ', "it ends too early: a brace or bracket is not closed (line 1, column 7)"),
        (b'{"a": "b', "a text has no closing quote (line 1, column 7)"),
        (b"{'a': 1}", "names and texts stand in double quotes, not in single quotes (line 1, column 2)"),
        ("{“a”: 1}".encode(), 'names and texts stand in straight double quotes: " (line 1, column 2)'),
        (b"{a: 1}", 'a name in double quotes must follow here, not "a" (line 1, column 2)'),
        (b"[oak]", 'a value must follow here, and text needs double quotes, not "o" (line 1, column 2)'),
        (b'{"a": 1,\n}', "there is a comma before }"),
        (b"[1, ]", "there is a comma before ]"),
        (b'{"a": True}', "True is not JSON: write true, false or null (line 1, column 7)"),
        (b'{"a" 1}', "a colon must follow the name (line 1, column 6)"),
        (b'{"a": 1 "b": 2}', "a comma is missing, or a bracket or brace is wrong (line 1, column 9)"),
        (b"{} {}", "more text follows after the end of the JSON (line 1, column 4)"),
        (b'["\n"]', "a text has a line break or another control character"),
        (b'["\\x"]', "a backslash must begin an escape"),
        (b'["\\u12"]', "a backslash must begin an escape"),
        (b"// a\n{}", "JSON has no comments (line 1, column 1)"),
        (b'["\xff"]', "byte 3 is not UTF-8"),
        (b"9" * 5_000, "a number has too many digits"),
        (b"[" * 50_000, "nested too deeply"),
    ],
)
def test_malformed_json_is_told_its_place_and_its_reason(text: bytes, reason: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_json(text, "a")
    assert str(caught.value).startswith(f"malformed JSON: {reason}")
    check(str(caught.value))
