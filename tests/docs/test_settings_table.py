"""The table of settings says what the code says."""

import re

import pytest

from shared.settings.settings import Settings
from tests.docs.settings_readers import readers
from tests.docs.settings_table import FILE, table


def test_the_page_is_what_the_code_says() -> None:
    assert FILE.read_text() == table(), "run `make docs`"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_says_in_a_sentence_what_it_means_and_somebody_reads_it(name: str) -> None:
    assert re.match(r"\S+ \S+", Settings.model_fields[name].description or "")
    assert readers()[name], f"no role reads {name}: delete it"
