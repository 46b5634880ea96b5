"""Words of libraries that no error message may contain, and a check for them."""

from shared.wording.values import with_field

OF_LIBRARIES = (
    "String should",
    "Input should",
    "Value should",
    "List should",
    "Dictionary should",
    "Extra inputs",
    "Field required",
    "Value error",
    "Assertion failed",
    "unable to parse",
    "valid dictionary",
    "instance of",
    "validation error",
    "For further information",
    "Expecting",
    "Extra data",
    "codec can't",
    "(char ",
    "does not appear to be",
    "host bits",
    "pydantic",
    "werkzeug",
    "Traceback",
    "NoneType",
    "No module named",
    "browser",
    "[Errno",
    "<class",
    "': '",  # the repr of an enum: <Purpose.BATCH: 'batch'>
    "BaseModel",
    "^",  # a regular expression
)


def check(text: str) -> None:
    """Asserts that a message is in our own words."""
    assert [phrase for phrase in OF_LIBRARIES if phrase.lower() in text.lower()] == [], text


def check_fault(field: str | None, message: str) -> None:
    """Asserts that the message about a field is in our own words and names the field."""
    check(message)
    assert with_field(field, message) == message
    assert len(message) < 500
