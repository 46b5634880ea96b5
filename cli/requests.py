"""Words the API's errors about a request in terms of the command line: `--steps` instead of `num_inference_steps`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from cli.errors import Failure, Refused


@contextmanager
def in_options(options: Mapping[str, str]) -> Iterator[None]:
    """Replaces the names of fields in the errors of the API by the options that a person typed.

    `options` maps the name of a field to its option or argument. Raises `Failure` instead of `Refused`, with one line
    for each error.
    """
    try:
        yield
    except Refused as refused:
        if not any(_option(field, options) for field, _ in refused.errors):
            raise
        raise Failure("\n  ".join(_worded(field, text, options) for field, text in refused.errors)) from refused


def _worded(field: str | None, text: str, options: Mapping[str, str]) -> str:
    option = _option(field, options)
    if option is None:
        return text
    assert field
    own_name = field.rpartition(".")[2]
    named = next((name for name in (field, own_name) if text.startswith((f"{name} ", f"{name}: "))), None)
    return f"{option}{text.removeprefix(named)}" if named else f"{option}: {text}"


def _option(field: str | None, options: Mapping[str, str]) -> str | None:
    """Returns the option for a field of a request. A field may be nested (`defaults.size`).

    For an entry of a list (`images[1]`), returns the option with the number of the entry, counted from 1.
    """
    name, _, index = (field or "").rpartition(".")[2].partition("[")
    option, number = options.get(name), index.rstrip("]")
    return f"{option} number {int(number) + 1}" if option and number.isdecimal() else option
