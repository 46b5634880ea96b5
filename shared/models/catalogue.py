"""Decides which models a request may name, and to which model revision a new job goes. Does no I/O.

The default model is the one that GRIDPRESS_SERVED_MODEL_NAME names. Workers announce the names of further models.
Without further models and without rules, the store sends a job to the revision that the newest worker serves.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from shared.errors import InvalidRequest
from shared.ids import JobId, Revision
from shared.models.names import MOST_CHARS, ModelNames
from shared.models.routes import Route, key_of, stand_in
from shared.models.rules import ModelDefaults, ModelRules


@dataclass(frozen=True, slots=True)
class ServedRevision:
    """A model revision that AR workers serve. `num_workers` are those that take work. `model` is '' if no worker has
    told the name, as workers of earlier releases do.
    """

    revision: Revision
    model: str
    num_workers: int
    is_paused: bool = False

    @property
    def takes_work(self) -> bool:
        return self.num_workers > 0 and not self.is_paused


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All models that requests may name now, and what operators have set for them.

    - `announced` are the names that workers announced within the last hour.
    - `newest` has for each model the revision of the worker that announced itself last.
    - `rules` are the operator's rules. The keys of both are those of `key`.
    - `allowed` are the only models that the caller's API key may use; empty: all.
    """

    names: ModelNames
    announced: tuple[str, ...] = ()
    revisions: tuple[ServedRevision, ...] = ()
    newest: Mapping[str, Revision] = field(default_factory=dict)
    rules: Mapping[str, ModelRules] = field(default_factory=dict)
    allowed: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str, names: ModelNames) -> Self:
        """Parses what `model_catalogue.lua` returns. cjson encodes an empty table as an object or as an array."""
        found: Mapping[str, Any] = json.loads(text)
        rules = [ModelRules.model_validate_json(each) for each in dict(found["rules"] or {}).values()]
        served = tuple(ServedRevision(**each) for each in found["revisions"] or ())
        catalogue = cls(names, tuple(found["announced"] or ()), served)
        newest = {catalogue.key(name): Revision(each) for name, each in dict(found["newest"] or {}).items()}
        return replace(catalogue, newest=newest, rules={catalogue.key(each.name): each for each in rules})

    def limited_to(self, allowed: Sequence[str]) -> Self:
        """Returns the catalogue of an API key that is restricted to the models `allowed`; all if this is empty."""
        return replace(self, allowed=tuple(allowed))

    @property
    def default(self) -> str:
        return self.names.served

    @property
    def further(self) -> list[str]:
        """Returns the names of the models beside the default that a request may name, sorted."""
        waiting = [rules.name for rules in self.rules.values() if rules.waits]
        by_key = {self.key(name): name for name in (*waiting, *self.announced) if not self._is_default(name)}
        return sorted(by_key.values())

    @property
    def usable(self) -> list[str]:
        """Returns the models that the caller's API key may use, the default first."""
        default = [] if self._is_absent() else [self.default]
        return [name for name in (*default, *self.further) if self.permits(name)]

    def find(self, name: str | None) -> str | None:
        """Returns the model that `name` means, or None if the service does not serve it. Without a name, it is the
        default. The last part of a name is enough if only one model has it.
        """
        if name is None or self.names.find(name):
            return self.default
        wanted, further = key_of(name), self.further
        exact = [each for each in further if key_of(each) == wanted]
        short = [each for each in further if key_of(each).rpartition("/")[2] == wanted]
        found = exact or short
        return found[0] if len(found) == 1 else None

    def names_of(self, name: str) -> Sequence[str]:
        """Returns the names, in small letters, under which the store knows the model that `name` means: those that its
        workers announced. '' among them stands for workers that told no name, and for jobs that any worker may take.

        It also finds a model without workers in the last hour: its jobs may still wait. Raises `InvalidRequest` for a
        model of which nothing is known.
        """
        found = self.find(name)
        if found is None and key_of(name) not in (*self.newest, *self.rules):
            raise InvalidRequest(self.refusal(name), "model")
        if self._is_default(found or name):
            return ("", *self.names.all)
        key = self.key(found or name)
        is_alone = [self.key(each) for each in self.further] == [key] and not self._is_default_known()
        return ("", key) if is_alone else (key,)  # alone, it also gets the requests that name no model

    def resolve(self, name: str | None) -> str | None:
        """Returns the model that a request names, as its job records it: None for the default model.

        Raises `InvalidRequest` for a model that the service does not serve. Also without a name if workers serve
        several models, and none of them is the default.
        """
        self.check(name)
        found = self.find(name) or self.default
        if self._is_default(found) and self._is_absent():
            why = f"no worker serves the default model {self.default}: name one of {', '.join(self.further)}"
            raise InvalidRequest(why, "model")
        if why_not := self.forbids(name):
            raise InvalidRequest(why_not, "model")
        return None if self._is_default(found) else found

    def check(self, name: str | None) -> None:
        """Raises `InvalidRequest` if a request names a model that the service does not serve."""
        if self.find(name) is None:
            raise InvalidRequest(self.refusal(name or ""), "model")

    def refusal(self, name: str) -> str:
        """Returns the error message for a name that means no model of this service."""
        if not self.further:
            return self.names.refusal(name)
        names = ", ".join((*self.names.listed, *self.further))
        return f"this service does not serve the model {name[:MOST_CHARS]}. Omit `model`, or use one of {names[:300]}"

    def permits(self, name: str | None) -> bool:
        """Returns whether the caller's API key may use the model that `name` means."""
        found = self.find(name) or name or ""
        return not self.allowed or self.key(found) in map(self.key, self.allowed)

    def forbids(self, name: str | None) -> str | None:
        """Returns why the caller's API key may not use the model that `name` means; None if it may."""
        if self.permits(name):
            return None
        asked = self.find(name) or name
        return f"this API key is for {', '.join(self.allowed)} only, and the request is for {asked}"

    def defaults(self, model: str | None) -> ModelDefaults:
        """Returns the defaults of a model. None is the default model."""
        found = self.rules.get(self.key(model or self.default))
        return found.defaults if found else ModelDefaults()

    def revisions_of(self, model: str) -> list[ServedRevision]:
        """Returns the revisions of a model that workers serve, sorted by name."""
        key = self.key(model)
        return sorted((each for each in self.revisions if self.key(each.model) == key), key=lambda each: each.revision)

    def route(self, model: str | None, job_id: JobId) -> Route:
        """Returns the revision that a new job for `model` goes to. None is the default model.

        The canary share holds while workers serve its revision and another one. Else all jobs go to the revision that
        is served. If workers serve several revisions beside the canary's, it is that of the newest worker.
        """
        rules = self.rules.get(self.key(model or self.default))
        canary = rules.canary if rules else None
        if canary and canary.takes(job_id):
            own = self.revisions_of(model or self.default)
            if any(each.revision == canary.revision and each.takes_work for each in own):
                return Route(canary.revision, is_canary=True)
        return Route(self.main_revision(model))

    def main_revision(self, model: str | None) -> Revision:
        """Returns the revision that gets the jobs of a model outside a canary share; '' leaves the choice to the store.
        If no revision of the model is known, returns a stand-in, which `is_stand_in` recognises.
        """
        key = self.key(model or self.default)
        own, rules = self.revisions_of(model or self.default), self.rules.get(key)
        if model is None and rules is None and not (self.further and (own or key in self.newest)):
            return Revision("")
        main = [each for each in own if not (rules and rules.canary and each.revision == rules.canary.revision)]
        for served in ([each for each in some if each.num_workers] for some in (main, own)):
            if served:
                return self._best(key, served).revision
        return self.newest.get(key) or stand_in(key)

    def _best(self, key: str, served: Sequence[ServedRevision]) -> ServedRevision:
        newest = self.newest.get(key)
        return max(
            served, key=lambda each: (not each.is_paused, each.revision == newest, each.num_workers, each.revision)
        )

    def key(self, name: str) -> str:
        """Returns the key of the model that a name means. A worker that told no name serves the default model."""
        return key_of(self.default if self._is_default(name) else name)

    def _is_default(self, name: str) -> bool:
        return not name or self.names.find(name) is not None

    def _is_absent(self) -> bool:
        """Returns whether nothing is known of the default model although several others are served."""
        return len(self.further) > 1 and not self._is_default_known()

    def _is_default_known(self) -> bool:
        """Returns whether workers have served the default model, or an operator has set something for it."""
        key = self.key(self.default)
        return bool(self.revisions_of(self.default)) or key in self.newest or key in self.rules
