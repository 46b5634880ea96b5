"""Stores what operators set for models, and reads it together with what workers announce."""

from functools import lru_cache

from shared.models.catalogue import Catalogue
from shared.models.names import ModelNames
from shared.models.routes import key_of
from shared.models.rules import ModelRules
from shared.store.core.connect import Client
from shared.store.core.scripts import Scripts
from shared.store.queues.sharing import SharedRead


class ModelStore:
    """Reads and changes what the store knows of models. Every method raises `StoreUnavailable` when the store does not
    answer.
    """

    def __init__(self, client: Client, reuse_s: float = 0.0) -> None:
        """Creates a client of the store. All callers share what was read, for `reuse_s` seconds. So many requests cost
        the store one look at the models.
        """
        self._scripts = Scripts(client)
        self._texts = SharedRead[str](reuse_s, lambda _: True)

    def catalogue(self, names: ModelNames, *, is_new: bool = False) -> Catalogue:
        """Returns all models that requests may name. `names` are those of the default model. With `is_new` it is read
        anew.
        """
        return _parsed(self._read() if is_new else self.text(), names)

    def text(self) -> str:
        """Returns what the store knows of models, as `Catalogue.parse` expects it."""
        return self._texts.get(self._read)

    def _read(self) -> str:
        return str(self._scripts.run("model_catalogue"))

    def set_rules(self, rules: ModelRules) -> None:
        """Replaces what an operator has set for the model `rules.name`. It counts for new jobs after `reuse_s`."""
        canary = rules.canary.revision if rules.canary else ""
        self._scripts.run("set_model_rules", key_of(rules.name), rules.model_dump_json(exclude_none=True), canary)

    def remove_rules(self, name: str) -> None:
        """Removes what an operator has set for a model."""
        self._scripts.run("set_model_rules", key_of(name), "", "")


@lru_cache(maxsize=4)
def _parsed(text: str, names: ModelNames) -> Catalogue:
    return Catalogue.parse(text, names)
