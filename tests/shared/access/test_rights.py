"""What an API key can grant: nothing that it does not permit itself."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st

from shared.access.rights import Rights, Scope

NETWORKS = [
    ip_network(text) for text in ("10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "192.0.2.0/24", "::1/128", "::/0")
]
ADDRESSES = [ip_address(text) for text in ("10.1.2.3", "10.1.2.4", "10.2.0.1", "192.0.2.9", "::1", "2001:db8::1")]
MODELS = ("a", "B", "c")
NOW = datetime(2026, 1, 5, tzinfo=UTC)
ENDS = [NOW + timedelta(days=days) for days in (1, 2, 3)]

rights = st.builds(
    Rights,
    st.frozensets(st.sampled_from(Scope), min_size=1),
    st.lists(st.sampled_from(NETWORKS), max_size=3).map(tuple),
    st.lists(st.sampled_from(MODELS), max_size=2).map(tuple),
    st.none() | st.sampled_from(ENDS),
)


def renders_with(found: Rights, model: str) -> bool:
    return not found.models or model.lower() in [name.lower() for name in found.models]


@given(rights, rights)
def test_what_is_granted_permits_nothing_that_the_granting_key_does_not(own: Rights, wanted: Rights) -> None:
    if own.excess_of(wanted):
        return
    assert all(own.allows(scope) for scope in Scope if wanted.allows(scope))
    assert all(own.permits(address) for address in (*ADDRESSES, None) if wanted.permits(address))
    assert all(renders_with(own, model) for model in MODELS if renders_with(wanted, model))
    for now in (NOW, *ENDS, ENDS[-1] + timedelta(days=1)):
        assert wanted.has_expired(now) or not own.has_expired(now)


@given(rights)
def test_a_key_grants_what_it_has(own: Rights) -> None:
    assert own.excess_of(own) is None


@given(rights, rights)
def test_an_excess_names_the_field_that_is_too_much(own: Rights, wanted: Rights) -> None:
    excess = own.excess_of(wanted)
    if excess:
        assert getattr(wanted, excess.field) != getattr(own, excess.field)
        assert excess.message
