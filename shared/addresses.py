"""Decides which IP addresses are public. Resolves no names."""

import socket
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Networks from IANA's special-purpose registries (RFC 6890 and later), and addresses of cloud metadata services.
_NOT_PUBLIC: Mapping[Network, str] = {
    ip_network(network): reason
    for network, reason in {
        "0.0.0.0/8": "this network",
        "10.0.0.0/8": "private",
        "100.64.0.0/10": "shared (carrier-grade NAT)",
        "127.0.0.0/8": "loopback",
        "168.63.129.16/32": "cloud metadata",
        "169.254.0.0/16": "link-local (cloud metadata)",
        "172.16.0.0/12": "private",
        "192.0.0.0/24": "reserved",
        "192.0.2.0/24": "documentation",
        "192.88.99.0/24": "6to4 relay",
        "192.168.0.0/16": "private",
        "198.18.0.0/15": "benchmarking",
        "198.51.100.0/24": "documentation",
        "203.0.113.0/24": "documentation",
        "224.0.0.0/4": "multicast",
        "240.0.0.0/4": "reserved",
        "::1/128": "loopback",
        # Of IPv6 only 2000::/3 is public: not ::/128, 64:ff9b::/96 (NAT64), fc00::/7, fe80::/10 or ff00::/8.
        "::/3": "reserved or translated",
        "4000::/2": "reserved",
        "8000::/1": "private, link-local, multicast or reserved",
        "2001::/23": "protocol assignments",
        "2001:db8::/32": "documentation",
        "2002::/16": "6to4",
        "3fff::/20": "documentation",
    }.items()
}


def why_not_public(address: Address) -> str | None:
    """Returns why an address is not public, such as `private` or `loopback`. Returns None for a public address. An
    IPv4-mapped IPv6 address must be unmapped first.
    """
    return next((reason for network, reason in _NOT_PUBLIC.items() if address in network), None)


def unmapped(address: Address) -> Address:
    """Returns the IPv4 address inside an IPv4-mapped IPv6 address such as `::ffff:10.0.0.7`, and any other address
    unchanged.

    The kernel connects to the inner address.
    """
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address


def literal(host: str) -> Address | None:
    """Returns the IP address that a host name spells, in every form that the C library accepts (`127.1`, `0x7f000001`).

    Returns None for a real name, and for an address with a zone (`fe80::1%eth0`), because a caller may not choose an
    interface.
    """
    if "%" in host:
        return None
    host = host.removesuffix(".")
    try:
        return ip_address(host)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):  # ValueError: NUL, or not ASCII
        return None


def is_loopback_host(host: str) -> bool:
    """Returns whether the host of a URL or setting is this machine: `localhost` or a loopback address."""
    address = literal(host)
    return unmapped(address).is_loopback if address else host.lower().rstrip(".") == "localhost"
