"""Prints which tests `make test` has skipped, because this machine lacks a tool, and how to get the tool."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool without which some tests are skipped. Each of `packages` is a Python package, each of `programs` is on the
    PATH. `tests` says in words which tests need it.
    """

    name: str
    tests: str
    how: str
    packages: Sequence[str] = ()
    programs: Sequence[str] = ()

    @property
    def is_there(self) -> bool:
        return all(map(find_spec, self.packages)) and all(map(shutil.which, self.programs))


TOOLS = (
    Tool("c2pa-python", "signatures of pictures", "pip install 'gridpress[c2pa]'", packages=("c2pa",)),
    Tool("Triton", "AR's kernels for GPUs", "pip install triton", packages=("triton",)),
    Tool(
        "Tesseract",
        "`gridpress eval`",
        "apt install tesseract-ocr, and pip install 'gridpress[eval]'",
        packages=("pytesseract",),
        programs=("tesseract",),
    ),
)


def lines(tools: Sequence[Tool] = TOOLS) -> Iterator[str]:
    """Yields one line for each tool that is missing."""
    for tool in tools:
        if not tool.is_there:
            yield f"SKIPPED for want of {tool.name}: tests of {tool.tests}. To run them: {tool.how}"


if __name__ == "__main__":
    for line in lines():
        print(line)
