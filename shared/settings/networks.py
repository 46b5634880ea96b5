"""Networks that a setting names, such as `10.0.0.0/8,::1`. Takes no host names."""

from ipaddress import ip_address, ip_network

from shared.egress.addresses import Address, Network, unmapped


def read_networks(text: str) -> tuple[Network, ...]:
    """Parses networks and addresses with commas between. Raises `ValueError` for anything else."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def address_of(text: str) -> Address | None:
    """Returns the address that a text such as `10.0.0.7`, `10.0.0.7:4711` or `[::1]:4711` names; None for any other."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return unmapped(ip_address(text))
    except ValueError:
        return None
