"""Refuses a query that is not UTF-8 before a route reads it."""

from flask import request

from shared.errors import InvalidRequest


def check_query() -> None:
    """Runs after authentication. Raises `InvalidRequest` for a byte that should have been escaped."""
    try:
        request.query_string.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"the query is not UTF-8: escape byte {error.start} as %XX") from error
