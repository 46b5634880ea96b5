"""The tables of metrics say what the catalogue says."""

from tests.docs.metrics_table import FILE, page


def test_the_page_is_what_the_catalogue_says() -> None:
    assert FILE.read_text() == page(), "run `make docs`"
