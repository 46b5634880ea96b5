"""Fills the defaults of a model into requests that leave these fields out."""

from shared.intake.request import JobRequest
from shared.models.catalogue import Catalogue

_SIZES = frozenset({"size", "width", "height"})


def with_model_defaults(request: JobRequest, catalogue: Catalogue) -> JobRequest:
    """Returns the request with the defaults of its model in the fields that it leaves out.

    A re-render is returned unchanged, because it has the values of its prior. A default size does not apply to an edit,
    whose size is that of its first image. Raises `InvalidRequest` for a model that the service does not serve.
    """
    if request.prior:
        catalogue.check(request.model)
        return request
    model = catalogue.resolve(request.model)
    defaults = catalogue.defaults(model).model_dump(exclude_none=True)
    left_out = {name: value for name, value in defaults.items() if name not in request.model_fields_set}
    if request.images or not _SIZES.isdisjoint(request.model_fields_set):
        left_out.pop("size", None)
    return request.model_copy(update=left_out) if left_out else request
