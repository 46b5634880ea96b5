"""Decides by which names a request may call the one served model, and what OpenAI's clients expect of a name."""

import re
from dataclasses import dataclass
from typing import Literal, Self

from shared.settings.model_names import read_model_names
from shared.settings.settings import Settings

SHORT_NAME = "glm-image"  # the name of GLM-Image in Z.ai's API

MOST_CHARS = 100  # of a wrong name that the error message quotes
# Names of the dall-e kind: dall-e-2, openai/dall-e-3, and dalle3, as deployments on Azure are often called.
_DALL_E = re.compile(r"(?<![a-z])dall[-_. ]?e(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ModelNames:
    """The names of the served model. `listed` has the served name first, and then the names of the operator's setting.

    Upper and lower case don't matter. The last part of the served name and Z.ai's short name are accepted as well.
    """

    listed: tuple[str, ...]

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Returns the names that the settings GRIDPRESS_SERVED_MODEL_NAME and GRIDPRESS_MODEL_ALIASES define."""
        names = (settings.served_model_name, *read_model_names(settings.model_aliases))
        by_name: dict[str, str] = {}
        for name in names:
            by_name.setdefault(name.lower(), name)
        return cls(tuple(by_name.values()))

    @property
    def served(self) -> str:
        return self.listed[0]

    @property
    def all(self) -> list[str]:
        """Returns all names that mean the served model, in small letters."""
        names = (*self.listed, SHORT_NAME, self.served.rpartition("/")[2])
        return sorted({name.lower() for name in names})

    def find(self, name: str) -> str | None:
        """Returns the listed name that `name` means, or None if it does not mean the served model."""
        wanted = name.strip().lower()
        found = next((listed for listed in self.listed if listed.lower() == wanted), None)
        return found or (self.served if wanted in self.all else None)

    def refusal(self, name: str) -> str:
        """Returns the error message for a name that does not mean the served model."""
        names = ", ".join((*self.listed, SHORT_NAME))
        return (
            f"this service does not serve the model {name[:MOST_CHARS]}. Omit `model`, use one of {names}, "
            "or let the operator add the name to GRIDPRESS_MODEL_ALIASES"
        )


def default_response_format(model: str | None) -> Literal["url", "b64_json"]:
    """Returns the form of pictures that OpenAI's clients expect if a request for this model names none.

    Clients of the dall-e kind read `url`, and clients of all other models read `b64_json`.
    """
    return "url" if model and _DALL_E.search(model) else "b64_json"
