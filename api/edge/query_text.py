"""Refuses requests whose query string is not UTF-8, before a route reads the query."""

from flask import request

from shared.errors import InvalidRequest


def check_query() -> None:
    """Raises `InvalidRequest` when the current request's query has bytes that are not UTF-8. Runs after authentication.

    Clients must send such bytes percent-encoded, as `%XX`.
    """
    try:
        request.query_string.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"the query is not UTF-8: escape byte {error.start} as %XX") from error
