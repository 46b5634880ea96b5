"""The URL converter of batch ids. It matches no other route's name, so that `Allow` lists the right methods."""

from werkzeug.routing import BaseConverter


class BatchName(BaseConverter):
    """Matches any batch id, but not `validate`, which is a route of its own."""

    regex = "(?!validate$)[^/]+"
