"""Parses the networks and addresses in a setting, such as `10.0.0.0/8,::1`. Accepts no host names."""

from ipaddress import ip_address, ip_network

from shared.addresses import Address, Network, unmapped

_MOST_CHARS = 60  # of a wrong entry that a message quotes


def read_networks(text: str) -> tuple[Network, ...]:
    """Parses networks and addresses that are separated by commas. Raises `ValueError` for any other text."""
    return tuple(read_network(part.strip()) for part in text.split(",") if part.strip())


def read_network(text: str) -> Network:
    """Parses a network such as `10.0.0.0/8`, or an address. Raises `ValueError` with the reason in our words."""
    try:
        return ip_network(text)
    except ValueError as error:
        raise ValueError(_why_no_network(text)) from error


def _why_no_network(text: str) -> str:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return f"{text[:_MOST_CHARS]} is not a network such as 10.0.0.0/8 or 2001:db8::/32"
    return f"{text} is an address inside of the network {network}: write {network}"


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
