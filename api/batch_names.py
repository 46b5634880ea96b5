"""Batches in paths: any name but that of another route, so that `Allow` tells of no method that this one lacks."""

from werkzeug.routing import BaseConverter


class BatchName(BaseConverter):
    """`/v1/batches/validate` is no batch."""

    regex = "(?!validate$)[^/]+"
