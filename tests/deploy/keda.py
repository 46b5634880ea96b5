"""Checks KEDA's objects against models made from its CRDs. The models ignore unknown keys; this finds them."""

import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from cloudcoil.models.keda import v1alpha1
from pydantic import BaseModel

# Younger than the models: KEDA 2.17.
_YOUNGER = {"spec.fallback.behavior"}


def check(document: Mapping[str, Any]) -> list[str]:
    """Returns the paths of unknown keys. Raises pydantic's `ValidationError` for wrong values."""
    model: type[BaseModel] = getattr(v1alpha1, document["kind"])
    model.model_validate(document)
    return sorted(path for path in _unknown(document, model, "") if path not in _YOUNGER)


def _unknown(value: Any, model: type[BaseModel], path: str) -> Iterator[str]:
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    for key, inner in value.items():
        here = f"{path}.{key}".lstrip(".")
        if key not in fields:
            yield here
            continue
        for inner_model in _models(fields[key].annotation):
            for item in inner if isinstance(inner, list) else [inner]:
                if isinstance(item, Mapping):
                    yield from _unknown(item, inner_model, here)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yields the models in an annotation such as `Optional[list[Trigger]]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif typing.get_origin(annotation) in (typing.Union, types.UnionType, list):
        for argument in typing.get_args(annotation):
            yield from _models(argument)
