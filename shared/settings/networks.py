"""Parses the networks and addresses in a setting, such as `10.0.0.0/8,::1`. Accepts no host names."""

from ipaddress import ip_address, ip_network

from shared.addresses import Address, Network, unmapped


def read_networks(text: str) -> tuple[Network, ...]:
    """Parses networks and addresses that are separated by commas. Raises `ValueError` for any other text."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def address_of(text: str) -> Address | None:
    """Returns the IP address in text such as `10.0.0.7`, `10.0.0.7:4711` or `[::1]:4711`; None for any other text."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return unmapped(ip_address(text))
    except ValueError:
        return None
