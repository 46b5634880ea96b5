"""The URL converter that matches batch ids in paths. It does not match `validate`, which is a route of its own.

So the header field `Allow` lists the right methods for `/v1/batches/validate`.
"""

from werkzeug.routing import BaseConverter


class BatchName(BaseConverter):
    """A URL converter that matches every batch id except `validate`, since `/v1/batches/validate` is another route."""

    regex = "(?!validate$)[^/]+"
