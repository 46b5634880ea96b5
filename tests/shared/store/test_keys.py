"""API keys, over the real store."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.access.keys import ApiKey, KeyId, Scope, digest, id_of, is_tenant, new_key
from shared.access.limits import TenantLimits
from shared.errors import KeyNotFound
from shared.ids import TenantId
from shared.store.access.key_ring import KeyRing
from shared.store.access.keys import KeyStore
from shared.store.core.connect import Client

TENANT = TenantId("acme")
LIMITS = TenantLimits(requests_per_minute=60, queued_renders=4)


@pytest.fixture
def keys(client: Client) -> KeyStore:
    return KeyStore(client)


@dataclass
class Clock:
    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s


class Counting(KeyStore):
    """Counts how often the store is asked for a key."""

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.asked: list[KeyId] = []

    def find(self, key_id: KeyId) -> ApiKey | None:
        self.asked.append(key_id)
        return super().find(key_id)


def test_a_key_is_told_once_and_only_its_digest_is_kept(keys: KeyStore, client: Client) -> None:
    key, text = keys.create(TENANT, [Scope.RENDER])
    kept = str([client.hgetall(f"gridpress:key:{key.key_id}"), client.keys()])
    assert text.rpartition("_")[2] not in kept
    assert digest(text) in kept
    assert digest(text) not in repr(key)


def test_keys_are_listed_newest_first_and_revoked_ones_stay(keys: KeyStore) -> None:
    first, second = (keys.create(TENANT, [Scope.READ])[0] for _ in range(2))
    keys.revoke(first.key_id)
    listed = keys.all_keys()
    assert {key.key_id: key.revoked_at is None for key in listed} == {first.key_id: False, second.key_id: True}
    assert [key.created_at for key in listed] == sorted((key.created_at for key in listed), reverse=True)


def test_revoking_twice_keeps_the_first_time_and_an_unknown_key_is_not_found(keys: KeyStore) -> None:
    key, _ = keys.create(TENANT, [Scope.READ])
    keys.revoke(key.key_id)
    revoked = keys.find(key.key_id)
    assert keys.revoke(key.key_id) == revoked
    with pytest.raises(KeyNotFound):
        keys.revoke(KeyId("aaaaaaaa"))


def test_a_valid_key_says_whose_it_is_and_what_it_allows(keys: KeyStore) -> None:
    keys.set_limits(TENANT, LIMITS)
    _, text = keys.create(TENANT, [Scope.RENDER, Scope.READ])
    holder = KeyRing(keys).holder(text)
    assert holder
    assert holder.key.tenant == TENANT
    assert holder.limits == LIMITS
    assert holder.key.allows(Scope.READ)
    assert not holder.key.allows(Scope.ADMIN)


def test_admin_allows_everything_of_its_tenant(keys: KeyStore) -> None:
    key, _ = keys.create(TENANT, [Scope.ADMIN])
    assert {scope for scope in Scope if not key.allows(scope)} == {Scope.OPERATOR}


@pytest.mark.parametrize(
    "pattern", ["{upper}", " {text}", "{text}a", "{short}", "{short}1", "Bearer {text}", "{text}\n"]
)
def test_a_key_that_is_not_exactly_right_belongs_to_nobody(keys: KeyStore, pattern: str) -> None:
    _, text = keys.create(TENANT, [Scope.READ])
    ring = KeyRing(keys)
    spoilt = pattern.format(text=text, upper=text.upper(), short=text[:-1])
    assert ring.holder(spoilt) is None
    assert ring.holder(text)
    assert ring.holder(spoilt) is None


def test_another_keys_secret_proves_nothing(keys: KeyStore) -> None:
    (first, _), (_, text) = (keys.create(TENANT, [Scope.READ]) for _ in range(2))
    assert KeyRing(keys).holder(f"gp_{first.key_id}_{text.rpartition('_')[2]}") is None


@given(st.text())
def test_no_text_is_taken_for_a_key(text: str) -> None:
    assert id_of(text) is None
    assert id_of(f"gp_{text}_{text}") is None


def test_a_known_key_costs_no_round_trip_until_it_is_old(client: Client) -> None:
    clock, store = Clock(), Counting(client)
    key, text = store.create(TENANT, [Scope.READ])
    ring = KeyRing(store, ttl_s=5, clock=clock)
    for now_s in (0.0, 1.0, 4.9):
        clock.now_s = now_s
        assert ring.holder(text)
    assert store.asked == [key.key_id]
    clock.now_s = 5.0
    assert ring.holder(text)
    assert store.asked == [key.key_id] * 2


def test_revocation_and_new_limits_act_once_what_is_known_is_old(keys: KeyStore) -> None:
    key, text = keys.create(TENANT, [Scope.READ])
    clock = Clock()
    ring = KeyRing(keys, ttl_s=5, clock=clock)
    assert ring.holder(text)
    keys.set_limits(TENANT, LIMITS)
    clock.now_s = 5.0
    holder = ring.holder(text)
    assert holder
    assert holder.limits == LIMITS
    keys.revoke(key.key_id)
    clock.now_s = 10.0
    assert ring.holder(text) is None


def test_a_new_key_works_at_once_though_it_was_tried_before(keys: KeyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    made = new_key()
    monkeypatch.setattr("shared.store.access.keys.new_key", lambda *_: made)
    ring = KeyRing(keys)
    assert ring.holder(made[1]) is None
    keys.create(TENANT, [Scope.READ])
    assert ring.holder(made[1])


def test_the_last_use_is_noted_for_the_right_secret_only(keys: KeyStore) -> None:
    key, text = keys.create(TENANT, [Scope.READ])
    KeyRing(keys).holder(text[:-1] + ("a" if text[-1] != "a" else "b"))
    assert _last_used(keys, key.key_id) is None
    KeyRing(keys).holder(text)
    first = _last_used(keys, key.key_id)
    assert first
    KeyRing(keys).holder(text)
    assert _last_used(keys, key.key_id) == first


def test_the_api_is_open_until_the_first_key_and_never_again(keys: KeyStore) -> None:
    clock = Clock()
    ring = KeyRing(keys, ttl_s=5, clock=clock)
    assert ring.is_open()
    key, _ = keys.create(TENANT, [Scope.ADMIN])
    clock.now_s = 5.0
    assert not ring.is_open()
    keys.revoke(key.key_id)
    assert not KeyRing(keys).is_open()


def test_limits_are_replaced_as_a_whole(keys: KeyStore) -> None:
    keys.set_limits(TENANT, LIMITS)
    keys.set_limits(TENANT, TenantLimits(pixels_per_day=1 << 22))
    assert keys.limits(TENANT) == TenantLimits(pixels_per_day=1 << 22)
    keys.set_limits(TENANT, TenantLimits())
    assert keys.limits(TENANT) == TenantLimits()


@pytest.mark.parametrize("name", ["", "a|b", "a:b", "A", "-a", "a" * 64, "a b", "../a", "ä"])
def test_a_tenant_has_a_plain_name(name: str) -> None:
    assert not is_tenant(name)


def _last_used(keys: KeyStore, key_id: KeyId) -> object:
    key = keys.find(key_id)
    assert key
    return key.last_used_at
